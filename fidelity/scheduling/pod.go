package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// namespaces are where pods live.
var namespaces = []string{"default", "default", "team", "empty"}

// owners are the controllers of pods. The last is of a kind whose pods are not spread unasked.
var owners = []metav1.OwnerReference{
	{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "rs-web"},
	{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", UID: "ss-db"},
	{APIVersion: "v1", Kind: "ReplicationController", Name: "old", UID: "rc-old"},
	{APIVersion: "batch/v1", Kind: "Job", Name: "sum", UID: "job-sum"},
}

// profiles are those of testdata/profiles.yaml.
var profiles = []string{corev1.DefaultSchedulerName, corev1.DefaultSchedulerName, "packing", "by-ratio", "particular"}

// ownerLabel is set by the controller, and is what its selector asks for.
const ownerLabel = "owner"

// pod is one that waits for a node. Each of its features is there in some pods only, so that every plugin is the one that decides
// often enough.
func (r random) pod(number int) *corev1.Pod {
	name := fmt.Sprintf("p%d", number)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pick(r, namespaces...), Name: name, UID: types.UID(fmt.Sprintf("uid-%d-%d", number, r.Intn(1<<30))),
			Labels: map[string]string{"app": pick(r, "web", "web", "db"), "version": pick(r, "1", "2")},
		},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, SchedulerName: pick(r, profiles...)},
	}
	if r.oneIn(6) {
		pod.Labels = nil
	}
	if r.oneIn(2) {
		r.own(pod)
	}
	r.containers(pod)
	for _, feature := range []struct {
		oneIn int
		add   func(*corev1.Pod)
	}{
		{4, r.tolerations}, {4, r.nodeAffinity}, {4, r.podAffinity}, {4, r.spread}, {2, r.priority}, {6, r.ports}, {5, r.volumes},
		{16, r.gates}, {10, r.overhead}, {10, r.podLevelResources}, {40, r.named},
	} {
		if r.oneIn(feature.oneIn) {
			feature.add(pod)
		}
	}
	return pod
}

func (r random) own(pod *corev1.Pod) {
	owner := pick(r, owners...)
	yes := true
	owner.Controller = &yes
	pod.OwnerReferences = []metav1.OwnerReference{owner}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[ownerLabel] = string(owner.UID)
}

func (r random) containers(pod *corev1.Pod) {
	for i := range 1 + r.Intn(2)*r.Intn(2) {
		pod.Spec.Containers = append(pod.Spec.Containers, r.container(fmt.Sprint("c", i)))
	}
	if !r.oneIn(3) {
		return
	}
	for i := range 1 + r.Intn(2) {
		c := r.container(fmt.Sprint("init", i))
		if r.oneIn(2) {
			always := corev1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
}

func (r random) container(name string) corev1.Container {
	c := corev1.Container{
		Name:      name,
		Image:     pick(r, "web:1", "docker.io/library/db", "registry:5000/cache", "tool:2", "unknown:1"),
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}},
	}
	set := func(name corev1.ResourceName, limit bool, amounts ...string) {
		if amount := pick(r, amounts...); amount != "" {
			c.Resources.Requests[name] = resource.MustParse(amount)
			if limit {
				c.Resources.Limits[name] = resource.MustParse(amount)
			}
		}
	}
	set(corev1.ResourceCPU, r.oneIn(3), "", "", "0", "100m", "100m", "500m", "500m", "1", "1900m")
	set(corev1.ResourceMemory, r.oneIn(3), "", "", "0", "256Mi", "256Mi", "1Gi", "2Gi")
	if r.oneIn(8) {
		set(corev1.ResourceEphemeralStorage, false, "1Gi", "6Gi")
	}
	if r.oneIn(8) {
		set(gpu, true, "1", "1", "2", "0")
	}
	if r.oneIn(12) {
		set("example.com/license", true, "1", "2")
	}
	if _, cpu := c.Resources.Requests[corev1.ResourceCPU]; cpu && r.oneIn(16) { // huge pages come with cpu or memory
		set("hugepages-2Mi", true, "2Mi", "64Mi")
	}
	return c
}

// overhead is what a RuntimeClass adds.
func (r random) overhead(pod *corev1.Pod) {
	class := "sandboxed"
	pod.Spec.RuntimeClassName = &class
	pod.Spec.Overhead = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(pick(r, "50m", "250m")), corev1.ResourceMemory: resource.MustParse("100Mi"),
	}
}

// podLevelResources are at least what the containers ask for.
func (r random) podLevelResources(pod *corev1.Pod) {
	for i := range pod.Spec.Containers { // no limits that might be above the pod's
		pod.Spec.Containers[i].Resources.Limits = nil
		delete(pod.Spec.Containers[i].Resources.Requests, gpu)
		delete(pod.Spec.Containers[i].Resources.Requests, "example.com/license")
		delete(pod.Spec.Containers[i].Resources.Requests, "hugepages-2Mi")
	}
	pod.Spec.InitContainers = nil
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{}}
	if !r.oneIn(3) {
		pod.Spec.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3900m")
	}
	if !r.oneIn(3) || len(pod.Spec.Resources.Requests) == 0 {
		pod.Spec.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("4Gi")
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(pick(r, "100m", "1"))
	}
}

// tolerations are of the nodes' taints and of others.
func (r random) tolerations(pod *corev1.Pod) {
	for range 1 + r.Intn(2) {
		t := corev1.Toleration{
			Key: pick(r, "team", "team", "old", "spot", corev1.TaintNodeUnschedulable), Operator: corev1.TolerationOpEqual,
			Effect: pick(r, "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute),
		}
		if r.oneIn(2) {
			t.Operator = corev1.TolerationOpExists
		} else {
			t.Value = pick(r, "a", "b", "yes", "")
		}
		if t.Operator == corev1.TolerationOpExists && r.oneIn(6) {
			t.Key = ""
		}
		if t.Effect == corev1.TaintEffectNoExecute && r.oneIn(2) {
			seconds := int64(30)
			t.TolerationSeconds = &seconds
		}
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, t)
	}
}

func (r random) priority(pod *corev1.Pod) {
	priority := pick[int32](r, -10, 0, 5, 100, 100, 1000)
	pod.Spec.Priority = &priority
	if r.oneIn(8) {
		never := corev1.PreemptNever
		pod.Spec.PreemptionPolicy = &never
	}
}

// ports are of the node's own.
func (r random) ports(pod *corev1.Pod) {
	port := corev1.ContainerPort{
		ContainerPort: 80, HostPort: pick[int32](r, 80, 80, 443), HostIP: pick(r, "", "", "0.0.0.0", "10.0.0.1", "10.0.0.2"),
		Protocol: pick(r, "", corev1.ProtocolTCP, corev1.ProtocolUDP),
	}
	if len(pod.Spec.InitContainers) > 0 && r.oneIn(2) {
		pod.Spec.InitContainers[0].Ports = []corev1.ContainerPort{port}
		return
	}
	if r.oneIn(8) {
		pod.Spec.HostNetwork = true
		port.HostPort = 80
	}
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{port}
}

func (r random) gates(pod *corev1.Pod) {
	for _, name := range some(r, "example.com/quota", "example.com/network") {
		pod.Spec.SchedulingGates = append(pod.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: name})
	}
}

// named says which node the pod is for. Such a pod is never waiting; the plugin says no to the other nodes all the same.
func (r random) named(pod *corev1.Pod) {
	pod.Spec.NodeName, pod.Spec.SchedulingGates = nodeName(r.Intn(3)), nil
}

// budget allows some disruption of some pods.
func (r random) budget() (namespace string, selector *metav1.LabelSelector, allowed int32) {
	selector = r.selector()
	if r.oneIn(8) {
		selector = &metav1.LabelSelector{} // upstream's scheduler takes it for none
	}
	return pick(r, namespaces...), selector, pick[int32](r, 0, 0, 1, 2)
}

// minAvailable is what budgets say, which schedulers do not read.
var minAvailable = intstr.FromInt32(1)
