package kubelet

import (
	"fmt"
	"time"

	"minik.dev/kubelet/probes"

	corev1 "k8s.io/api/core/v1"
)

// leastSidecarGrace is what a sidecar is given when the containers have used up the pod's grace, as upstream does.
const leastSidecarGrace = 2 * time.Second

// end is why a pod's containers must end, and within which time.
type end struct {
	reason string
	grace  time.Duration
	// sidecars is the grace of the sidecars, which end after the containers: what is left of the pod's, at least 2 s.
	sidecars time.Duration
	// deleted says that the API object waits to be deleted, gone that it is no more.
	deleted, gone bool
}

// ending says whether the pod's containers must end: the pod was deleted, has finished, or ran out of time. A pod that
// has reported Succeeded or Failed never runs again.
func ending(pod *corev1.Pod, o Observed, inits, mains []view, now time.Time) *end {
	grace := time.Duration(0)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	if s := pod.DeletionGracePeriodSeconds; s != nil && (pod.DeletionTimestamp != nil || o.Gone) {
		grace = time.Duration(*s) * time.Second
	}
	// Upstream never gives a container less than a second between the two signals.
	grace = max(grace, time.Second)
	switch {
	case o.Gone:
		return &end{reason: "pod is no longer in the API", grace: grace, sidecars: grace, gone: true}
	case pod.DeletionTimestamp != nil:
		left := pod.DeletionTimestamp.Sub(now)
		return &end{reason: fmt.Sprintf("pod was deleted with a grace period of %s", grace), grace: grace, deleted: true,
			sidecars: min(grace, max(left.Round(time.Second), leastSidecarGrace))}
	case terminal(o.Last.Phase):
		return &end{reason: fmt.Sprintf("pod has phase %s", o.Last.Phase), grace: grace, sidecars: grace}
	}
	if at := deadline(pod, o); !at.IsZero() && !at.After(now) {
		return &end{reason: fmt.Sprintf("pod was active for activeDeadlineSeconds (%d)", *pod.Spec.ActiveDeadlineSeconds),
			grace: grace, sidecars: grace}
	}
	if reason := finished(pod, inits, mains); reason != "" {
		return &end{reason: reason, grace: grace, sidecars: grace}
	}
	return nil
}

// wind is the next step for a pod whose containers must end: containers first, all at once, then sidecars one by one in
// reverse order, then the sandbox, then the API object.
func wind(o Observed, inits, mains []view, e *end, now time.Time) Action {
	box := o.Runtime.Sandbox
	var stop *Action
	mainsAlive, alive := 0, 0
	for _, v := range mains {
		if v.alive() {
			mainsAlive++
			stop = first(stop, o.stop(v, e.grace, e.reason, now))
		}
	}
	for i := len(inits) - 1; i >= 0; i-- {
		v := inits[i]
		if !v.alive() {
			continue
		}
		if !v.sidecar || (mainsAlive == 0 && alive == 0) {
			grace := e.grace
			if v.sidecar {
				grace = e.sidecars
			}
			stop = first(stop, o.stop(v, grace, e.reason, now))
		}
		alive++
	}
	alive += mainsAlive
	switch {
	case stop != nil:
		return *stop
	case alive > 0:
		return Action{Kind: Wait, Reason: fmt.Sprintf("%s; %d containers are stopping", e.reason, alive)}
	case box.ID != "" && (e.deleted || e.gone):
		return Action{Kind: Remove, ID: box.ID, Reason: e.reason + "; no container runs any more"}
	case box.ID != "" && box.Ready:
		return Action{Kind: StopSandbox, ID: box.ID, Reason: e.reason + "; no container runs any more"}
	case (e.deleted || e.gone) && (o.Files || len(o.Runtime.Volumes) > 0):
		return Action{Kind: RemoveVolumes, Reason: e.reason + "; no container uses its volumes any more"}
	case e.gone:
		return Action{Kind: Forget, Reason: e.reason + "; nothing of it is left on the node"}
	case e.deleted:
		return Action{Kind: DeletePod, Reason: e.reason + "; nothing of it is left on the node"}
	}
	return Action{Kind: Wait, Reason: e.reason}
}

// stop asks the container to end, or nil where it was asked to end as soon already.
func (o Observed) stop(v view, grace time.Duration, reason string, now time.Time) *Action {
	if by, asked := o.Stopping[v.current.ID]; asked && !by.After(now.Add(grace)) {
		return nil
	}
	return &Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: grace, Reason: reason,
		Event: "Stopping container " + v.spec.Name}
}

func first(a, b *Action) *Action {
	if a != nil {
		return a
	}
	return b
}

// finished says why no container of the pod will run again by itself, or "" where one will. Sidecars do not count.
func finished(pod *corev1.Pod, inits, mains []view) string {
	if !initialized(mains) {
		for _, v := range inits {
			e := v.end()
			if !v.sidecar && e != nil && e.code != 0 && !v.restarts(pod, e) {
				return fmt.Sprintf("init container %s exited with code %d and restartPolicy is %s",
					v.spec.Name, e.code, pod.Spec.RestartPolicy)
			}
		}
	}
	for _, v := range mains {
		e := v.end()
		if e == nil || v.restarts(pod, e) {
			return ""
		}
	}
	return fmt.Sprintf("all %d containers have exited and restartPolicy is %s", len(mains), pod.Spec.RestartPolicy)
}

// deadline is when the pod's activeDeadlineSeconds are over; zero where it has none or has not started.
func deadline(pod *corev1.Pod, o Observed) time.Time {
	if pod.Spec.ActiveDeadlineSeconds == nil || o.Last.StartTime == nil {
		return time.Time{}
	}
	return o.Last.StartTime.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second)
}

func terminal(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

// probeGrace is what a container that failed a probe is given to end.
func probeGrace(pod *corev1.Pod, spec *corev1.Container, kind probes.Kind) time.Duration {
	if probe := probes.Of(spec, kind); probe != nil && probe.TerminationGracePeriodSeconds != nil {
		return max(time.Duration(*probe.TerminationGracePeriodSeconds)*time.Second, time.Second)
	}
	return podGrace(pod)
}

// podGrace is what one container of a pod that goes on is given to end: the pod's own grace, and at least a second.
func podGrace(pod *corev1.Pod) time.Duration {
	seconds := int64(30)
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return max(time.Duration(seconds)*time.Second, time.Second)
}
