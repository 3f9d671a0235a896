package scheduling

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// nominated are the pods that wait for room, by UID: upstream's PodNominator. Upstream's own finds them in its queue, where none is here.
type nominated map[types.UID]fwk.PodInfo

// AddNominatedPod is told of a pod whose status names the node.
func (n nominated) AddNominatedPod(_ klog.Logger, pod fwk.PodInfo, _ *fwk.NominatingInfo) {
	n[pod.GetPod().UID] = pod
}

// DeleteNominatedPodIfExists takes the nomination back.
func (n nominated) DeleteNominatedPodIfExists(pod *corev1.Pod) { delete(n, pod.UID) }

// UpdateNominatedPod is told of the newer version of a pod.
func (n nominated) UpdateNominatedPod(_ klog.Logger, old *corev1.Pod, pod fwk.PodInfo) {
	delete(n, old.UID)
	n[pod.GetPod().UID] = pod
}

// NominatedPodsForNode are those for the node, by UID.
func (n nominated) NominatedPodsForNode(node string) []fwk.PodInfo {
	var all []fwk.PodInfo
	for _, pod := range n {
		if pod.GetPod().Status.NominatedNodeName == node {
			all = append(all, pod)
		}
	}
	slices.SortFunc(all, func(a, b fwk.PodInfo) int { return strings.Compare(string(a.GetPod().UID), string(b.GetPod().UID)) })
	return all
}
