package kubelet

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/events"
)

// self is what a kubelet says of its node, gathered once at each start.
type self struct {
	// runtimeDown is why the runtime cannot be asked; empty while it can.
	runtimeDown string
	name        string
	labels      map[string]string
	taints      []corev1.Taint
	podCIDRs    []string
	capacity    corev1.ResourceList
	addresses   []string
	port        int32
	info        corev1.NodeSystemInfo
	// images are what the runtime has, as it lists them; nil where it does not say.
	images []corev1.ContainerImage
}

// node is the Node as this kubelet wants it, made from the one in the API or from nothing: it sets what is its own and
// keeps everything else, such as labels, taints and spec.unschedulable that others have set.
func (s self) node(current *corev1.Node, now time.Time) *corev1.Node {
	out := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.name}}
	if current != nil {
		out = current.DeepCopy()
	} else {
		out.Spec.Taints = s.taints
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	for key, value := range map[string]string{
		corev1.LabelHostname: s.name, corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
		"beta.kubernetes.io/os": runtime.GOOS, "beta.kubernetes.io/arch": runtime.GOARCH,
	} {
		out.Labels[key] = value
	}
	maps.Copy(out.Labels, s.labels)
	if out.Spec.PodCIDR == "" && len(s.podCIDRs) > 0 {
		out.Spec.PodCIDR, out.Spec.PodCIDRs = s.podCIDRs[0], s.podCIDRs
	}
	s.status(&out.Status, now)
	return out
}

// status sets capacity, addresses, conditions and system information.
func (s self) status(out *corev1.NodeStatus, now time.Time) {
	out.Capacity = s.capacityBeside(*out)
	out.Allocatable = out.Capacity.DeepCopy()
	out.Addresses = nil
	for _, ip := range s.addresses {
		out.Addresses = append(out.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	out.Addresses = append(out.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: s.name})
	out.DaemonEndpoints.KubeletEndpoint.Port = s.port
	out.NodeInfo = s.info
	if s.images != nil {
		out.Images = reportedImages(s.images)
	}
	for _, c := range []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse,
			Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse,
			Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse,
			Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"},
		s.ready(),
	} {
		setNodeCondition(out, c, now)
	}
}

// capacityBeside is the kubelet's own capacity, and beside it the extended resources that somebody else has advertised in the
// status (upstream's task "Advertise Extended Resources for a Node"). A reboot may have changed what the machine has: then they
// are 0 until they are advertised again, as upstream.
func (s self) capacityBeside(current corev1.NodeStatus) corev1.ResourceList {
	out := s.capacity.DeepCopy()
	for name, quantity := range current.Capacity {
		if _, own := s.capacity[name]; own || !extended(name) {
			continue
		}
		if current.NodeInfo.BootID != s.info.BootID {
			quantity = *resource.NewQuantity(0, resource.DecimalSI)
		}
		out[name] = quantity
	}
	return out
}

// extended reports whether the resource is none of Kubernetes' own.
func extended(name corev1.ResourceName) bool {
	return strings.Contains(string(name), "/") && !strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// What a Node tells of its images at most, as upstream's kubelet (nodeStatusMaxImages).
const (
	imagesAtMost     = 50
	imageNamesAtMost = 5
)

// reportedImages are the largest of the images, the largest first.
func reportedImages(images []corev1.ContainerImage) []corev1.ContainerImage {
	out := make([]corev1.ContainerImage, 0, len(images))
	for _, image := range images {
		if len(image.Names) > 0 { // nobody can ask for the others
			image.Names = image.Names[:min(len(image.Names), imageNamesAtMost)]
			out = append(out, image)
		}
	}
	slices.SortFunc(out, func(a, b corev1.ContainerImage) int {
		return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), cmp.Compare(a.Names[0], b.Names[0]))
	})
	return out[:min(len(out), imagesAtMost)]
}

// ready is the condition that says whether the node runs pods.
func (s self) ready() corev1.NodeCondition {
	if s.runtimeDown != "" {
		return corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionFalse,
			Reason: "KubeletNotReady", Message: "container runtime is down: " + s.runtimeDown}
	}
	return corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
		Reason: "KubeletReady", Message: "kubelet is posting ready status"}
}

// setNodeCondition replaces the condition of that type; its transition time is kept while its status is.
func setNodeCondition(out *corev1.NodeStatus, c corev1.NodeCondition, now time.Time) {
	c.LastHeartbeatTime, c.LastTransitionTime = *seconds(now), *seconds(now)
	for i, old := range out.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		out.Conditions[i] = c
		return
	}
	out.Conditions = append(out.Conditions, c)
}

// NodeDiffers says whether the status has anything new to tell but the time.
func NodeDiffers(old, now corev1.NodeStatus) bool {
	old, now = *old.DeepCopy(), *now.DeepCopy()
	for i := range old.Conditions {
		old.Conditions[i].LastHeartbeatTime = metav1.Time{}
	}
	for i := range now.Conditions {
		now.Conditions[i].LastHeartbeatTime = metav1.Time{}
	}
	return !equality.Semantic.DeepEqual(old, now)
}

// nodeEvents are what to tell about a node that reports now what it did not before, in upstream's reasons and words.
func nodeEvents(name string, old, now corev1.NodeStatus) []events.Event {
	var out []events.Event
	if old.NodeInfo.BootID != "" && old.NodeInfo.BootID != now.NodeInfo.BootID {
		out = append(out, events.Warning("Rebooted", "Node %s has been rebooted, boot id: %s", name, now.NodeInfo.BootID))
	}
	for _, c := range now.Conditions {
		reason := map[corev1.NodeConditionType]string{
			corev1.NodeMemoryPressure: "NodeHasSufficientMemory", corev1.NodeDiskPressure: "NodeHasNoDiskPressure",
			corev1.NodePIDPressure: "NodeHasSufficientPID", corev1.NodeReady: "NodeReady",
		}[c.Type]
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			reason = "NodeNotReady"
		}
		was := corev1.ConditionStatus("")
		for _, o := range old.Conditions {
			if o.Type == c.Type {
				was = o.Status
			}
		}
		if reason != "" && was != c.Status {
			out = append(out, events.Normal(reason, "Node %s status is now: %s", name, reason))
		}
	}
	return out
}

// withDefaults is the capacity with what every node has where it is not said: 110 pods, and ephemeral storage.
func withDefaults(capacity corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("4"),
		corev1.ResourceMemory:           resource.MustParse("8Gi"),
		corev1.ResourcePods:             resource.MustParse("110"),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
	}
	maps.Copy(out, capacity)
	return out
}

// NodeObject is the Node as the kubelet with these options wants it, made from the one in the API or from nothing.
func NodeObject(current *corev1.Node, o Options, info corev1.NodeSystemInfo, now time.Time) *corev1.Node {
	s := self{name: o.Node, labels: o.Labels, taints: o.Taints, port: o.Port, info: info,
		capacity: withDefaults(o.Capacity)}
	for _, ip := range o.IPs {
		s.addresses = append(s.addresses, ip.String())
	}
	for _, cidr := range o.PodCIDRs {
		s.podCIDRs = append(s.podCIDRs, cidr.String())
	}
	return s.node(current, now)
}
