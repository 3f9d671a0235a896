package admission

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// defaultTolerationSeconds is how long a pod that says nothing stays on a node that went away.
const defaultTolerationSeconds = 300

// mutateTolerationSeconds lets a pod tolerate a node that is not ready or unreachable for 300 s, unless it says
// something about that taint itself.
func mutateTolerationSeconds(_ context.Context, r *Request) error {
	if !r.creates("pods") && !r.updates("pods") {
		return nil
	}
	pod := r.Object.(*corev1.Pod)
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if tolerates(pod.Spec.Tolerations, key) {
			continue
		}
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{
			Key:               key,
			Operator:          corev1.TolerationOpExists,
			Effect:            corev1.TaintEffectNoExecute,
			TolerationSeconds: ptr.To[int64](defaultTolerationSeconds),
		})
	}
	return nil
}

// tolerates reports whether a toleration speaks of the NoExecute taint of that key, or of every key.
func tolerates(tolerations []corev1.Toleration, key string) bool {
	for _, t := range tolerations {
		if (t.Key == key || t.Key == "") && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "") {
			return true
		}
	}
	return false
}
