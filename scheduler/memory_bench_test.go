package scheduler

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/scheduler/framework"
)

// BenchmarkMemory measures what the scheduler keeps of each node and of each running pod, in its informers' caches and in its
// snapshot together, and what it remembers of each node for one shape of pods.
//
//	go test ./scheduler -run '^$' -bench Memory -benchtime 1x
func BenchmarkMemory(b *testing.B) {
	const nodes, pods = 5000, 10000
	for b.Loop() {
		snapshot, kept := framework.NewSnapshot(), cache.NewStore(cache.MetaNamespaceKeyFunc)
		empty := inUse()
		for i := range nodes {
			node := &corev1.Node{}
			received(b, fullNode(i), node)
			require.NoError(b, kept.Add(node))
			snapshot.SetNode(node)
		}
		withNodes := inUse()
		for i := range pods {
			pod := &corev1.Pod{}
			received(b, fullPod(i, fmt.Sprintf("node-%d", i%nodes)), pod)
			require.NoError(b, kept.Add(pod))
			snapshot.AddPod(pod)
		}
		withPods := inUse()
		decision := framework.Schedule(framework.DefaultProfile(), snapshot, testPod("one-more", resources("100m", "128Mi")))
		withShape := inUse()
		require.NotEmpty(b, decision.Node)
		runtime.KeepAlive(kept)
		runtime.KeepAlive(snapshot)
		b.ReportMetric(float64(withNodes-empty)/nodes, "B/node")
		b.ReportMetric(float64(withPods-withNodes)/pods, "B/pod")
		b.ReportMetric(float64(withShape-withPods)/nodes, "B/node-and-shape")
		b.ReportMetric(0, "ns/op") // it says nothing
	}
}

// inUse is how much memory is in use once the garbage is gone.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the first may have been under way, and leaves what it has not swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// received decodes into out what a watch would bring, and drops what the scheduler drops.
func received(b *testing.B, in interface{ Marshal() ([]byte, error) }, out interface{ Unmarshal([]byte) error }) {
	wire, err := in.Marshal()
	require.NoError(b, err)
	require.NoError(b, out.Unmarshal(wire))
	_, err = framework.Slim(out)
	require.NoError(b, err)
}

// written is managedFields of a usual size.
func written(by ...string) (out []metav1.ManagedFieldsEntry) {
	for _, manager := range by {
		out = append(out, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &metav1.Time{Time: noon},
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{},"f:status":{}}`),
		})
	}
	return out
}

func fullNode(i int) *corev1.Node {
	node := testNode(fmt.Sprintf("node-%d", i), nodeResources("8", "32Gi"), map[string]string{
		corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3), corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
	})
	node.UID, node.ResourceVersion, node.ManagedFields = "0b2f2a2e-4a5c-4a53-9c15-8d1d1c2b7e11", "123456", written("kubelet", "minik")
	node.Status.Capacity = node.Status.Allocatable
	for _, condition := range []corev1.NodeConditionType{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"} {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: condition, Status: corev1.ConditionFalse, Reason: "KubeletHasNoPressure", Message: "kubelet has no pressure",
			LastHeartbeatTime: metav1.Time{Time: noon}, LastTransitionTime: metav1.Time{Time: noon},
		})
	}
	for j := range 5 {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{
			Names: []string{fmt.Sprintf("registry.example.com/shop/part-%d:1.0", j)}, SizeBytes: 64 << 20,
		})
	}
	return node
}

func fullPod(i int, node string) *corev1.Pod {
	pod := testPod(fmt.Sprintf("web-5d9c7b8f6-%05d", i), resources("100m", "128Mi"))
	pod.ResourceVersion, pod.ManagedFields = "123456", written("kube-controller-manager", "kube-scheduler", "kubelet")
	pod.Spec.NodeName = node
	pod.Spec.ServiceAccountName = "default"
	c := &pod.Spec.Containers[0]
	c.Image = "registry.example.com/shop/part-1:1.0"
	c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
	for j := range 5 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", j), Value: "some value of a usual length"})
	}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}}}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &metav1.Time{Time: noon}, HostIP: "10.128.1.1", PodIP: "10.128.1.7",
		PodIPs: []corev1.PodIP{{IP: "10.128.1.7"}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: c.Name, Ready: true, Image: c.Image, ImageID: "docker-pullable://" + c.Image, ContainerID: "docker://0123456789abcdef",
			Resources: &c.Resources, AllocatedResources: c.Resources.Requests,
		}},
	}
	for _, condition := range []corev1.PodConditionType{"PodScheduled", "Initialized", "ContainersReady", "Ready"} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: noon},
		})
	}
	return pod
}
