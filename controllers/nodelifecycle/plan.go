package nodelifecycle

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/nodestate"
	"minik.dev/controllers/podstate"
)

// nodeHealthPlan is what is to be done about one node's health.
type nodeHealthPlan struct {
	// Status is the node with its conditions turned to Unknown; nil where they are right.
	Status *corev1.Node
	// Late: nobody has heard of the node in time, so its pods are not ready either.
	Late bool
	// After is when to look again; zero where only an event can change anything.
	After  time.Duration
	Reason string
}

// planNodeHealth turns the conditions of a node that has fallen silent to Unknown. Only the node itself makes them known
// again.
func planNodeHealth(node *corev1.Node, h heartbeat, now time.Time) nodeHealthPlan {
	late := h.late(now)
	if late <= 0 {
		return nodeHealthPlan{After: max(-late, time.Millisecond), Reason: fmt.Sprintf(
			"last sign of life %v ago, within %v", now.Sub(h.seen), h.patience)}
	}
	plan := nodeHealthPlan{Late: true, Reason: fmt.Sprintf(
		"last sign of life %v ago, more than %v", now.Sub(h.seen).Round(time.Millisecond), h.patience)}
	updated := node.DeepCopy()
	changed := false
	for _, kind := range []corev1.NodeConditionType{
		corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure,
	} {
		changed = setUnknown(updated, kind, now) || changed
	}
	if changed {
		plan.Status = updated
	}
	return plan
}

// setUnknown reports whether the condition was not Unknown before.
func setUnknown(node *corev1.Node, kind corev1.NodeConditionType, now time.Time) bool {
	condition := nodestate.Condition(node, kind)
	if condition == nil {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: kind, Status: corev1.ConditionUnknown,
			Reason: nodeStatusNeverUpdated, Message: "Kubelet never posted node status.",
			LastHeartbeatTime: node.CreationTimestamp, LastTransitionTime: metav1.NewTime(now),
		})
		return true
	}
	if condition.Status == corev1.ConditionUnknown {
		return false
	}
	condition.Status = corev1.ConditionUnknown
	condition.Reason = nodeStatusUnknown
	condition.Message = "Kubelet stopped posting node status."
	condition.LastTransitionTime = metav1.NewTime(now)
	return true
}

// pressureTaints are the conditions that keep new pods away while they are True.
var pressureTaints = map[corev1.NodeConditionType]string{
	corev1.NodeMemoryPressure:     corev1.TaintNodeMemoryPressure,
	corev1.NodeDiskPressure:       corev1.TaintNodeDiskPressure,
	corev1.NodePIDPressure:        corev1.TaintNodePIDPressure,
	corev1.NodeNetworkUnavailable: corev1.TaintNodeNetworkUnavailable,
}

// taintPlan is what a node's taints should become; a nil Node means they are right.
type taintPlan struct {
	Node   *corev1.Node
	Reason string
}

// planNoScheduleTaints keeps new pods away from a node that is not ready, under pressure or cordoned.
func planNoScheduleTaints(node *corev1.Node, now time.Time) taintPlan {
	ready := nodestate.Ready(node)
	wanted := map[string]bool{
		corev1.TaintNodeNotReady:      ready == corev1.ConditionFalse,
		corev1.TaintNodeUnreachable:   ready == corev1.ConditionUnknown,
		corev1.TaintNodeUnschedulable: node.Spec.Unschedulable,
	}
	for kind, key := range pressureTaints {
		condition := nodestate.Condition(node, kind)
		wanted[key] = condition != nil && condition.Status == corev1.ConditionTrue
	}
	return planTaints(node, corev1.TaintEffectNoSchedule, wanted, now,
		fmt.Sprintf("Ready is %s, unschedulable is %t", ready, node.Spec.Unschedulable))
}

// planNoExecuteTaints drives the pods away from a node that is not ready, as far as its zone allows it: while every node
// of the cluster is silent it is the network that is broken, not the nodes, and nobody is driven away; while most nodes of
// a zone are, nobody more is.
func planNoExecuteTaints(node *corev1.Node, state zoneState, now time.Time) taintPlan {
	ready := nodestate.Ready(node)
	because := fmt.Sprintf("Ready is %s, its zone is in state %s", ready, state)
	wanted := map[string]bool{
		corev1.TaintNodeNotReady:    ready == corev1.ConditionFalse,
		corev1.TaintNodeUnreachable: ready == corev1.ConditionUnknown,
	}
	switch {
	case state == zoneHalted:
		wanted = map[string]bool{corev1.TaintNodeNotReady: false, corev1.TaintNodeUnreachable: false}
	case state == zonePartial && ready != corev1.ConditionTrue && !hasNoExecute(node):
		return taintPlan{Reason: because}
	}
	return planTaints(node, corev1.TaintEffectNoExecute, wanted, now, because)
}

func hasNoExecute(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoExecute &&
			(t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable)
	})
}

// planTaints sets and clears taints of one effect; those it is not asked about stay as they are.
func planTaints(node *corev1.Node, effect corev1.TaintEffect, wanted map[string]bool, now time.Time,
	because string) taintPlan {
	var taints []corev1.Taint
	var added, removed []string
	has := map[string]bool{}
	for _, taint := range node.Spec.Taints {
		if want, asked := wanted[taint.Key]; asked && taint.Effect == effect {
			if !want {
				removed = append(removed, taint.Key)
				continue
			}
			has[taint.Key] = true
		}
		taints = append(taints, taint)
	}
	for key, want := range wanted {
		if want && !has[key] {
			added = append(added, key)
		}
	}
	if len(added)+len(removed) == 0 {
		return taintPlan{Reason: because}
	}
	slices.Sort(added)
	for _, key := range added {
		since := metav1.NewTime(now)
		taints = append(taints, corev1.Taint{Key: key, Effect: effect, TimeAdded: &since})
	}
	updated := node.DeepCopy()
	updated.Spec.Taints = taints
	return taintPlan{Node: updated, Reason: fmt.Sprintf("%s: %s taints to add %v, to remove %v",
		because, effect, added, removed)}
}

// zoneState is how badly a zone is hit.
type zoneState string

const (
	// zoneNormal: nodes that are not ready lose their pods.
	zoneNormal zoneState = "Normal"
	// zonePartial: more than two nodes, and at least 55 % of the zone, are not ready.
	zonePartial zoneState = "PartialDisruption"
	// zoneHalted: no node of the whole cluster is ready.
	zoneHalted zoneState = "FullDisruption"
)

// unhealthyZoneThreshold is upstream's default of --unhealthy-zone-threshold.
const unhealthyZoneThreshold = 0.55

// zoneStates says for each zone how many of its nodes are gone. A zone of which every node is gone, while other zones have
// some left, loses its pods as usual: the others can run them.
func zoneStates(nodes []*corev1.Node) map[string]zoneState {
	total, silent := map[string]int{}, map[string]int{}
	for _, node := range nodes {
		total[zoneOf(node)]++
		if nodestate.Ready(node) != corev1.ConditionTrue {
			silent[zoneOf(node)]++
		}
	}
	states := map[string]zoneState{}
	full := 0
	for zone, n := range total {
		switch gone := silent[zone]; {
		case gone == n:
			full++
			states[zone] = zoneNormal
		case gone > 2 && float64(gone)/float64(n) >= unhealthyZoneThreshold:
			states[zone] = zonePartial
		default:
			states[zone] = zoneNormal
		}
	}
	if full == len(states) {
		for zone := range states {
			states[zone] = zoneHalted
		}
	}
	return states
}

// zoneOf is the node's zone within its region; nodes without labels share one.
func zoneOf(node *corev1.Node) string {
	return node.Labels[corev1.LabelTopologyRegion] + ":" + node.Labels[corev1.LabelTopologyZone]
}

// planPodsNotReady are the pods of a silent node that still say they are ready, as they should be written.
func planPodsNotReady(pods []*corev1.Pod, now time.Time) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range pods {
		if !podstate.Ready(pod) {
			continue
		}
		updated := pod.DeepCopy()
		for i := range updated.Status.Conditions {
			if condition := &updated.Status.Conditions[i]; condition.Type == corev1.PodReady {
				condition.Status = corev1.ConditionFalse
				condition.LastTransitionTime = metav1.NewTime(now)
			}
		}
		out = append(out, updated)
	}
	return out
}
