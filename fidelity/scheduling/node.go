package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The labels of nodes besides hostname and zone. Not every node has every one of them.
const (
	diskLabel  = "disk"
	coresLabel = "cores" // a number on most nodes, for Gt and Lt
	poolLabel  = "pool"
)

// topologyKeys are what pods spread over, and are near each other by.
var topologyKeys = []string{
	corev1.LabelHostname, corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyZone, corev1.LabelTopologyRegion, diskLabel,
}

const gpu corev1.ResourceName = "nvidia.com/gpu"

// node is the node of that name, as it may look at some time.
func (r random) node(name string) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name), Labels: r.nodeLabels(name)},
		Status:     corev1.NodeStatus{Allocatable: r.allocatable(), Images: r.images()},
	}
	if r.oneIn(8) {
		node.Spec.Unschedulable = true
		if r.oneIn(2) { // the node controller adds the taint a moment later
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{
				Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule,
			})
		}
	}
	for r.oneIn(3) {
		node.Spec.Taints = append(node.Spec.Taints, pick(r, taints...))
	}
	node.Status.Capacity = node.Status.Allocatable.DeepCopy()
	return node
}

// taints are those of the nodes. The API server refuses two of one key and effect, which the schedulers do not mind.
var taints = []corev1.Taint{
	{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule},
	{Key: "team", Value: "b", Effect: corev1.TaintEffectNoExecute},
	{Key: "old", Effect: corev1.TaintEffectPreferNoSchedule},
	{Key: "spot", Value: "yes", Effect: corev1.TaintEffectPreferNoSchedule},
	{Key: "spot", Value: "yes", Effect: corev1.TaintEffectPreferNoSchedule},
}

func (r random) nodeLabels(name string) map[string]string {
	labels := map[string]string{corev1.LabelHostname: name}
	set := func(key string, values ...string) {
		if value := pick(r, values...); value != "" {
			labels[key] = value
		}
	}
	set(corev1.LabelTopologyZone, "zone-a", "zone-a", "zone-b", "zone-c", "")
	set(corev1.LabelTopologyRegion, "north", "south", "south", "")
	set(diskLabel, "ssd", "ssd", "hdd", "")
	set(coresLabel, "2", "4", "8", "many", "")
	set(poolLabel, "red", "blue", "")
	if r.oneIn(10) {
		delete(labels, corev1.LabelHostname)
	}
	return labels
}

func (r random) allocatable() corev1.ResourceList {
	list := corev1.ResourceList{}
	set := func(name corev1.ResourceName, amounts ...string) {
		if amount := pick(r, amounts...); amount != "" {
			list[name] = resource.MustParse(amount)
		}
	}
	set(corev1.ResourceCPU, "1", "2", "2", "4", "3500m", "0")
	set(corev1.ResourceMemory, "1Gi", "4Gi", "4Gi", "8Gi", "3000Mi")
	set(corev1.ResourcePods, "3", "5", "110", "110", "110")
	set(corev1.ResourceEphemeralStorage, "10Gi", "10Gi", "")
	set(gpu, "1", "4", "0", "", "")
	set("example.com/license", "3", "", "")
	set("hugepages-2Mi", "64Mi", "", "")
	return list
}

// images are some of those that pods use, each under one name or two. An image has one size, wherever it is.
func (r random) images() []corev1.ContainerImage {
	var images []corev1.ContainerImage
	for i, name := range imageNames {
		if !r.oneIn(2) {
			continue
		}
		names := []string{name}
		if r.oneIn(2) {
			names = append(names, fmt.Sprint("example.com/image@sha256:", i))
		}
		images = append(images, corev1.ContainerImage{Names: names, SizeBytes: int64(1+i*i) * 120 << 20})
	}
	return images
}

var imageNames = []string{"web:1", "docker.io/library/db:latest", "registry:5000/cache:latest", "tool:2"}
