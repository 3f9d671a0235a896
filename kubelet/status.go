package kubelet

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	netutils "k8s.io/utils/net"

	"minik.dev/events"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// PodStatus is what to report of the pod: computed from the spec, what is observed and now, and nothing else. What
// others own in the status (conditions of other types, fields that no kubelet sets) is kept from the pod as it is in
// the API.
func PodStatus(pod *corev1.Pod, o Observed, hostIPs []string, now time.Time) corev1.PodStatus {
	inits, mains := views(pod, o)
	e := ending(pod, o, inits, mains, now)
	out := *pod.Status.DeepCopy()
	out.ObservedGeneration = pod.Generation
	out.InitContainerStatuses, out.ContainerStatuses, out.EphemeralContainerStatuses = nil, nil, nil
	waiting := corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	if len(inits) > 0 && !initialized(mains) {
		waiting.Reason = "PodInitializing"
	}
	for _, v := range inits {
		out.InitContainerStatuses = append(out.InitContainerStatuses, containerStatus(pod, o, v, waiting, e != nil, now))
	}
	for _, v := range mains {
		out.ContainerStatuses = append(out.ContainerStatuses, containerStatus(pod, o, v, waiting, e != nil, now))
	}
	for _, v := range ephemerals(pod, o) {
		out.EphemeralContainerStatuses = append(out.EphemeralContainerStatuses,
			ephemeralStatus(pod, o, v, waiting, e != nil, now))
	}
	setPhase(pod, o, &out, inits, mains, e, now)
	if terminal(out.Phase) {
		endUnstarted(&out, inits)
	}
	if out.StartTime == nil {
		out.StartTime = o.Last.StartTime
	}
	if out.StartTime == nil {
		out.StartTime = seconds(now)
	}
	if out.QOSClass == "" {
		out.QOSClass = qosClass(pod)
	}
	setAddresses(pod, o, &out, hostIPs)
	setConditions(pod, o, &out, inits, now)
	if o.Resize != nil {
		out.Conditions = resize.WithoutConditions(out.Conditions)
		if e == nil {
			out.Conditions = append(out.Conditions, o.Resize.Conditions(pod, o.Last, o.allResizing(append(inits, mains...)), now)...)
		}
	}
	return out
}

// setAddresses reports the node's addresses and the sandbox's; a pod that has none any more keeps its last ones. A pod on
// its node's network has the node's from the first, and keeps them: only one of another family is added later, as upstream.
func setAddresses(pod *corev1.Pod, o Observed, out *corev1.PodStatus, hostIPs []string) {
	out.HostIP, out.HostIPs = "", nil
	for i, ip := range hostIPs {
		if i == 0 {
			out.HostIP = ip
		}
		out.HostIPs = append(out.HostIPs, corev1.HostIP{IP: ip})
	}
	out.PodIP, out.PodIPs = o.Last.PodIP, o.Last.PodIPs
	if o.Runtime.Sandbox.ID != "" && o.Runtime.Sandbox.Ready {
		out.PodIP, out.PodIPs = "", nil
		for i, ip := range o.Runtime.Sandbox.IPs {
			if i == 0 {
				out.PodIP = ip
			}
			out.PodIPs = append(out.PodIPs, corev1.PodIP{IP: ip})
		}
	}
	if !pod.Spec.HostNetwork {
		return
	}
	if out.PodIP == "" && len(hostIPs) > 0 {
		out.PodIP, out.PodIPs = hostIPs[0], []corev1.PodIP{{IP: hostIPs[0]}}
	}
	if len(hostIPs) == 2 && len(out.PodIPs) == 1 && netutils.IsIPv6String(out.PodIPs[0].IP) != netutils.IsIPv6String(hostIPs[1]) {
		out.PodIPs = append(slices.Clip(out.PodIPs), corev1.PodIP{IP: hostIPs[1]})
	}
}

// containerStatus reports one container. creating is what a container says that waits for its turn; over says that the
// pod must end, so that nothing that has ended waits for a restart.
func containerStatus(pod *corev1.Pod, o Observed, v view, creating corev1.ContainerStateWaiting, over bool,
	now time.Time) corev1.ContainerStatus {
	out := corev1.ContainerStatus{Name: v.spec.Name, Image: v.spec.Image, Started: new(bool),
		ImageID: v.last.ImageID, ContainerID: v.last.ContainerID, RestartCount: v.last.RestartCount,
		LastTerminationState: v.last.LastTerminationState}
	if c := v.current; c != nil {
		out.ImageID, out.ContainerID, out.RestartCount = c.ImageID, c.ID, c.Attempt
		if c.Image != "" {
			out.Image = c.Image
		}
		if v.previous != nil {
			out.LastTerminationState.Terminated = terminated(v.previous)
		} else if t := v.last.State.Terminated; t != nil && t.ContainerID != c.ID {
			out.LastTerminationState.Terminated = t
		}
	}
	o.Resize.SetResources(&out, o.resizing(v))
	ended := v.end()
	switch {
	case v.running():
		out.State.Running = &corev1.ContainerStateRunning{StartedAt: *seconds(v.current.StartedAt)}
		results := o.probes(v)
		*out.Started = results.Started(v.spec)
		out.Ready = results.Ready(v.spec) && (!v.init || v.sidecar)
	case v.alive():
		out.State.Waiting = &creating
	case ended != nil && (over || !v.restarts(pod, ended) && !(v.init && v.lost())):
		out.State.Terminated = v.termination()
		out.Ready = v.init && !v.sidecar && ended.code == 0
	case ended != nil && v.current != nil && v.restarts(pod, ended):
		if waiting := retrying(pod, o, v, ended, creating, now); waiting != nil {
			out.State.Waiting, out.LastTerminationState.Terminated = waiting, v.termination()
		} else {
			out.State.Terminated = v.termination()
		}
	case ended != nil:
		out.LastTerminationState.Terminated = v.termination()
		out.State.Waiting = failing(pod, o, v, creating, now)
	default:
		out.State.Waiting = failing(pod, o, v, creating, now)
	}
	return out
}

// retrying is what a container that has ended waits for before it runs again; nil where it is its turn.
func retrying(pod *corev1.Pod, o Observed, v view, e *ended, creating corev1.ContainerStateWaiting,
	now time.Time) *corev1.ContainerStateWaiting {
	if b := o.BackOffs[v.spec.Name]; b.Until(e.at).After(now) {
		return &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff",
			Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", b.Delay, v.spec.Name, runtime.PodRef(pod))}
	}
	if waiting := failing(pod, o, v, creating, now); waiting.Reason != creating.Reason {
		return waiting
	}
	return nil
}

// failing is what a container waits for that is not there: its image, its configuration, or its turn.
func failing(pod *corev1.Pod, o Observed, v view, creating corev1.ContainerStateWaiting,
	now time.Time) *corev1.ContainerStateWaiting {
	if _, waiting := o.lacks(pod, v.spec, now); waiting != nil {
		return waiting
	}
	if try := o.Starts[v.spec.Name]; try.Reason != "" {
		return &corev1.ContainerStateWaiting{Reason: try.Reason, Message: try.Message}
	}
	return &creating
}

// termination is the end of the newest attempt as it is reported.
func (v view) termination() *corev1.ContainerStateTerminated {
	if v.current != nil {
		return terminated(v.current)
	}
	switch {
	case v.last.State.Terminated != nil:
		return v.last.State.Terminated
	case v.last.State.Running == nil && v.last.LastTerminationState.Terminated != nil:
		return v.last.LastTerminationState.Terminated
	}
	return v.unknown()
}

func terminated(c *runtime.Container) *corev1.ContainerStateTerminated {
	out := &corev1.ContainerStateTerminated{ExitCode: c.ExitCode, Reason: c.Reason, Message: c.Message,
		StartedAt: *seconds(c.StartedAt), FinishedAt: *seconds(c.FinishedAt), ContainerID: c.ID}
	if out.Reason == "" && c.ExitCode == 0 {
		out.Reason = "Completed"
	} else if out.Reason == "" {
		out.Reason = "Error"
	}
	return out
}

// initsDone says that every init container has done what those after it wait for.
func initsDone(inits []view, statuses []corev1.ContainerStatus) bool {
	for i, v := range inits {
		s := statuses[i]
		if v.sidecar && (s.Started == nil || !*s.Started) {
			return false
		}
		if !v.sidecar && (s.State.Terminated == nil || s.State.Terminated.ExitCode != 0) {
			return false
		}
	}
	return true
}

// setPhase reports the phase, as upstream counts it, and why a pod failed.
func setPhase(pod *corev1.Pod, o Observed, out *corev1.PodStatus, inits, mains []view, e *end, now time.Time) {
	if terminal(o.Last.Phase) {
		out.Phase, out.Reason, out.Message = o.Last.Phase, o.Last.Reason, o.Last.Message
		return
	}
	alive := false // an ephemeral container that runs keeps a pod from having ended, as upstream
	for _, v := range slices.Concat(inits, mains, ephemerals(pod, o)) {
		alive = alive || v.alive()
	}
	ran, failed := 0, false
	for _, v := range mains {
		if end := v.end(); end != nil {
			ran++
			failed = failed || end.code != 0
		} else if v.alive() {
			ran++
		}
	}
	out.Phase = corev1.PodPending
	switch {
	case e == nil || alive:
		begun := initialized(mains) || initsDone(inits, out.InitContainerStatuses)
		if begun && started(out.ContainerStatuses) {
			out.Phase = corev1.PodRunning
		}
	case overdue(pod, o, now):
		out.Phase, out.Reason, out.Message = corev1.PodFailed, deadlineExceeded.Reason, deadlineExceeded.Message
	case finished(pod, inits, mains) != "" && ran == len(mains) && !failed:
		out.Phase = corev1.PodSucceeded
	case finished(pod, inits, mains) != "" || ran > 0:
		out.Phase = corev1.PodFailed
		if ran == len(mains) && !failed {
			out.Phase = corev1.PodSucceeded
		}
	}
}

// deadlineExceeded is why a pod has failed that was active for too long, and the Event of it.
var deadlineExceeded = events.Normal("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

// endUnstarted reports that containers have ended which wait to be started in a pod that has ended: as nobody knows what they
// would have come to, they count as lost. Containers of a pod that was not initialized, and init containers after the last that
// was started, go on waiting (upstream's TerminatePod).
func endUnstarted(out *corev1.PodStatus, inits []view) {
	end := func(s *corev1.ContainerStatus) {
		if s.State.Waiting != nil {
			s.State = corev1.ContainerState{Terminated: lost("")}
		}
	}
	begun := 1 // the first counts in any case
	for i := range out.InitContainerStatuses {
		if s := out.InitContainerStatuses[i]; s.State.Waiting == nil || s.LastTerminationState.Terminated != nil {
			begun = i + 1
		}
	}
	initialized := len(inits) == 0 || initsDone(inits[len(inits)-1:], out.InitContainerStatuses[len(inits)-1:])
	for i := range out.ContainerStatuses {
		s := &out.ContainerStatuses[i]
		initialized = initialized || s.State.Waiting == nil || s.LastTerminationState.Terminated != nil
	}
	for i := range min(begun, len(out.InitContainerStatuses)) {
		end(&out.InitContainerStatuses[i])
	}
	for i := range out.ContainerStatuses {
		if initialized {
			end(&out.ContainerStatuses[i])
		}
	}
}

// started says that every container has run, or waits to run again.
func started(statuses []corev1.ContainerStatus) bool {
	for _, s := range statuses {
		if s.State.Waiting != nil && s.LastTerminationState.Terminated == nil {
			return false
		}
	}
	return true
}

func overdue(pod *corev1.Pod, o Observed, now time.Time) bool {
	at := deadline(pod, o)
	return !at.IsZero() && !at.After(now) && pod.DeletionTimestamp == nil && !o.Gone
}

// seconds is the time as the API keeps it, so that what was reported and what is computed again are equal.
func seconds(t time.Time) *metav1.Time {
	out := metav1.NewTime(t)
	if !t.IsZero() {
		out = metav1.NewTime(t.Truncate(time.Second))
	}
	return &out
}
