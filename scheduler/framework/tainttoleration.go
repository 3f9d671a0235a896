package framework

import (
	corev1 "k8s.io/api/core/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
)

var taintTolerationRow = plugin{
	name: TaintToleration,
	// For how long a pod tolerates a taint is no question before it runs.
	reads: []string{
		"spec.tolerations.key", "spec.tolerations.operator", "spec.tolerations.value", "spec.tolerations.effect",
	},
	key:       appendTolerations,
	prepare:   prepareTaintToleration,
	check:     checkTaintToleration,
	helps:     NodeAdded | NodeTaints,
	weight:    3,
	score:     scoreTaintToleration,
	normalize: normalizeToLeast,
}

func appendTolerations(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	b = append(b, 't')
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		b = appendWord(appendWord(b, t.Key), string(t.Operator))
		b = appendWord(appendWord(b, t.Value), string(t.Effect))
	}
	return b
}

func prepareTaintToleration(s *shape, _ *Profile, _ *Snapshot, pod *corev1.Pod) {
	s.tolerates = pod.Spec.Tolerations
	for _, t := range pod.Spec.Tolerations {
		if t.Effect == "" || t.Effect == corev1.TaintEffectPreferNoSchedule {
			s.soft = append(s.soft, t)
		}
	}
}

// checkTaintToleration: taints with NoSchedule or NoExecute keep out pods that do not tolerate them.
func checkTaintToleration(s *shape, n *NodeInfo) *Rejection {
	taint := firstUntolerated(n.Node.Spec.Taints, s.tolerates, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
	if taint == nil {
		return nil
	}
	r := reject(TaintToleration, true, "node(s) had untolerated taint(s)")
	r.Detail = taint.ToString()
	return r
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
