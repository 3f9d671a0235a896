// Package nodestate reads what the conditions of a node say, as several controllers do. It decides nothing.
package nodestate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Condition is the node's condition of the kind; nil where there is none. It may be changed in place.
func Condition(node *corev1.Node, kind corev1.NodeConditionType) *corev1.NodeCondition {
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &node.Status.Conditions[i]
}

// Ready is the status of the Ready condition; Unknown where there is none.
func Ready(node *corev1.Node) corev1.ConditionStatus {
	if condition := Condition(node, corev1.NodeReady); condition != nil {
		return condition.Status
	}
	return corev1.ConditionUnknown
}
