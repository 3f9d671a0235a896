package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// Ephemeral containers are added to a pod that runs, by `kubectl debug` above all. Each is started once, as soon as there is
// a sandbox, and has no part in what becomes of the pod.

// ephemerals are the pod's ephemeral containers in the order of the spec.
func ephemerals(pod *corev1.Pod, o Observed) []view {
	var out []view
	for i := range pod.Spec.EphemeralContainers {
		v := newView(runtime.EphemeralContainer(&pod.Spec.EphemeralContainers[i]), o, o.Last.EphemeralContainerStatuses)
		v.ephemeral = true
		out = append(out, v)
	}
	return out
}

// debug is the next step for the pod's ephemeral containers, or a Wait until the first of them can be tried again. They
// wait for no init container, and none for another.
func debug(pod *corev1.Pod, o Observed, now time.Time) Action {
	wait := Action{Kind: Wait, Reason: "every ephemeral container was started"}
	for _, v := range ephemerals(pod, o) {
		if v.end() != nil {
			continue // none is started twice, whatever the pod's restartPolicy
		}
		a := step(pod, o, v, now)
		if a.Kind != Wait {
			return a
		}
		wait.Until = earlier(wait.Until, a.Until)
	}
	return wait
}

// ephemeralStatus reports one ephemeral container: nobody asks whether it is started or ready.
func ephemeralStatus(pod *corev1.Pod, o Observed, v view, creating corev1.ContainerStateWaiting, over bool,
	now time.Time) corev1.ContainerStatus {
	out := containerStatus(pod, o, v, creating, over, now)
	out.Ready, out.Started = false, nil
	return out
}
