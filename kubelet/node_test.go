package kubelet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"minik.dev/kubelet"
)

// What somebody has advertised in a node's status stays there until the node is rebooted; what the kubelet has itself, and what
// is no extended resource, is as the kubelet says.
func TestAdvertisedResourcesStay(t *testing.T) {
	const dongle, gpu, hugepages = "example.com/dongle", "nvidia.com/gpu", "hugepages-2Mi"
	options := kubelet.Options{Node: "node-1", Capacity: corev1.ResourceList{gpu: resource.MustParse("2")}}
	boot := corev1.NodeSystemInfo{BootID: "first"}
	node := kubelet.NodeObject(nil, options, boot, time.Now())
	node.Status.Capacity[dongle] = resource.MustParse("4")
	node.Status.Capacity[gpu] = resource.MustParse("8")
	node.Status.Capacity[hugepages] = resource.MustParse("1Gi")

	count := func(of corev1.ResourceList, name corev1.ResourceName) string {
		quantity, ok := of[name]
		if !ok {
			return "none"
		}
		return quantity.String()
	}
	status := kubelet.NodeObject(node, options, boot, time.Now()).Status
	for _, of := range []corev1.ResourceList{status.Capacity, status.Allocatable} {
		require.Equal(t, "4", count(of, dongle), "also allocatable, as upstream")
		require.Equal(t, "2", count(of, gpu))
		require.Equal(t, "none", count(of, hugepages))
	}
	again := kubelet.NodeObject(node, options, corev1.NodeSystemInfo{BootID: "second"}, time.Now()).Status
	require.Equal(t, "0", count(again.Capacity, dongle))
	require.Equal(t, "0", count(again.Allocatable, dongle))
	require.Equal(t, "2", count(again.Capacity, gpu))
}
