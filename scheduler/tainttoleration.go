package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

// scoreTaintToleration counts the PreferNoSchedule taints that the pod does not tolerate.
func scoreTaintToleration(_ *Profile, s *shape, n *NodeInfo) int64 {
	var count int64
	for i := range n.Node.Spec.Taints {
		taint := &n.Node.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule && !tolerated(s.soft, taint) {
			count++
		}
	}
	return count
}

// checkTaintToleration: taints with NoSchedule or NoExecute keep out pods that do not tolerate them.
func checkTaintToleration(s *shape, n *NodeInfo) *Rejection {
	taint := firstUntolerated(n.Node.Spec.Taints, s.tolerates, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
	if taint == nil {
		return nil
	}
	return reject(TaintToleration, true, fmt.Sprintf("node(s) had untolerated taint {%s: %s}", taint.Key, taint.Value))
}

func firstUntolerated(
	taints []corev1.Taint, tolerations []corev1.Toleration, effects ...corev1.TaintEffect,
) *corev1.Taint {
	for i := range taints {
		for _, effect := range effects {
			if taints[i].Effect == effect && !tolerated(tolerations, &taints[i]) {
				return &taints[i]
			}
		}
	}
	return nil
}

func tolerated(tolerations []corev1.Toleration, taint *corev1.Taint) bool {
	return schedulinghelpers.TolerationsTolerateTaint(klog.Logger{}, tolerations, taint, true)
}
