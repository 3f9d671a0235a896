package scheduling

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// side is a scheduler that is told of the cluster and asked about pods.
type side interface {
	clear()
	setNode(*corev1.Node)
	removeNode(*corev1.Node)
	setNamespace(*corev1.Namespace)
	setPod(*corev1.Pod) // on the node that its spec names
	removePod(*corev1.Pod)
	nominate(pod *corev1.Pod) // for the node that its status names; a name of none takes it back
	setBudget(*policyv1.PodDisruptionBudget)
	setClass(*storagev1.StorageClass)
	setClaim(*corev1.PersistentVolumeClaim)
	setVolume(*corev1.PersistentVolume)
	decide(*corev1.Pod) verdict
}

// verdict is what a scheduler says to a pod.
type verdict struct {
	gated *rejection // it is not even queued
	// refused is the no to the pod itself, whatever the node.
	refused *rejection
	// rejected are the nodes that were filtered out, scores those of the other nodes by plugin, weighted.
	rejected map[string]rejection
	scores   map[string]map[string]int64
	// winner is the node that the pod goes to; empty where it fits nowhere, and message says why.
	winner  string
	message string
	// waits: no victims are looked for. Otherwise victims are by node, where room can be made, and preempts is the node chosen.
	waits    bool
	victims  map[string]string
	preempts string
	// mightPreempt, upstream's alone, says whether the node might have been chosen as well.
	mightPreempt func(node string) bool
	// withdrawn: the pod loses its nomination, and gets no other.
	withdrawn bool
	broken    string // why nothing can be said
}

// rejection is a plugin's no.
type rejection struct {
	plugin       string
	unresolvable bool
	reasons      string
}

func (r rejection) String() string {
	code := "Unschedulable"
	if r.unresolvable {
		code = "UnschedulableAndUnresolvable"
	}
	return fmt.Sprintf("%s: %s (%s)", r.plugin, r.reasons, code)
}

// newRejection sorts the reasons: upstream's stand in no order where a node lacks several resources of other kinds than its own.
func newRejection(plugin string, unresolvable bool, reasons []string) *rejection {
	return &rejection{plugin, unresolvable, strings.Join(slices.Sorted(slices.Values(reasons)), ", ")}
}

// total is the sum of a node's scores.
func (v *verdict) total(node string) int64 {
	var sum int64
	for _, score := range v.scores[node] {
		sum += score
	}
	return sum
}

// victimsOf names the pods that are evicted, in this order.
func victimsOf(pods []*corev1.Pod, violations int) string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	return fmt.Sprintf("%s, %d of them against a budget", strings.Join(names, " "), violations)
}
