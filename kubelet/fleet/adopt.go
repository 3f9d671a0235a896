package fleet

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// Adopt is the state of a pod that an earlier fleet reported: containers that were running run, those that had ended
// have ended, with their IDs and restart counts. A pod none of whose containers was started, or that has finished,
// has no state.
func Adopt(pod *corev1.Pod) State {
	if ended(pod.Status.Phase) || pod.Status.PodIP == "" && !pod.Spec.HostNetwork {
		return State{}
	}
	var s State
	for i := range pod.Spec.InitContainers {
		s.adopt(&pod.Spec.InitContainers[i], pod.Status.InitContainerStatuses)
	}
	for i := range pod.Spec.Containers {
		s.adopt(&pod.Spec.Containers[i], pod.Status.ContainerStatuses)
	}
	for i := range pod.Spec.EphemeralContainers {
		s.adopt((*corev1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon),
			pod.Status.EphemeralContainerStatuses)
	}
	if len(s.runtime.Containers) == 0 {
		return State{}
	}
	s.mounted = true
	s.runtime.Sandbox = runtime.Sandbox{ID: sim.Identify("sandbox", pod.UID, "adopted"), Ready: true}
	if pod.Status.PodIP != "" {
		s.runtime.Sandbox.IPs = []string{pod.Status.PodIP}
	}
	return s
}

// adopt adds the container as its status says, if it was ever started.
func (s *State) adopt(spec *corev1.Container, statuses []corev1.ContainerStatus) {
	for _, status := range statuses {
		if status.Name != spec.Name || status.ContainerID == "" {
			continue
		}
		c := runtime.Container{ID: status.ContainerID, Name: status.Name, Attempt: status.RestartCount, Image: status.Image,
			ImageID: status.ImageID, State: runtime.Exited}
		over := status.State.Terminated
		if over == nil && status.State.Running == nil {
			over = status.LastTerminationState.Terminated
		}
		switch {
		case status.State.Running != nil:
			c.State, c.StartedAt = runtime.Running, status.State.Running.StartedAt.Time
		case over != nil:
			c.StartedAt, c.FinishedAt = over.StartedAt.Time, over.FinishedAt.Time
			c.ExitCode, c.Reason, c.Message = over.ExitCode, over.Reason, over.Message
		default:
			return
		}
		if c.StartedAt.IsZero() {
			c.StartedAt = time.Unix(0, 0)
		}
		s.runtime.Containers = append(s.runtime.Containers, c)
		return
	}
}
