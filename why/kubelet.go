package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
)

// nodeStep is what the kubelet of a pod's node does next, as far as the pod's status tells.
type nodeStep struct {
	// Node is whose kubelet it is.
	Node string `json:"node"`
	// Step is one of the kubelet's own: Wait, StartContainer, …; Reason says why.
	Step   string `json:"step"`
	Reason string `json:"reason"`
	// Unknown is what the kubelet sees and the API does not.
	Unknown []string `json:"unknown,omitempty"`
}

// stepOf asks the kubelet's own function, on what the pod's status says of the containers.
func stepOf(pod *corev1.Pod) *nodeStep {
	out := &nodeStep{Node: pod.Spec.NodeName, Unknown: []string{
		"made from the status that the kubelet reported last: what has happened since, and time that has run out, is not in it"}}
	if pod.DeletionTimestamp != nil {
		out.Unknown = append(out.Unknown, "a container that is to be stopped may be stopping already")
	}
	// What the kubelet waits for after a failure, and until when, only its own words tell.
	for _, c := range statusesOf(pod) {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" &&
			pod.DeletionTimestamp == nil {
			out.Step, out.Reason = string(kubelet.Wait), fmt.Sprintf("container %s: %s: %s", c.Name, w.Reason, w.Message)
			return out
		}
	}
	action := kubelet.Next(pod, reported(pod), lastSign(pod))
	out.Step, out.Reason = string(action.Kind), action.Reason
	for _, c := range pod.Status.Conditions {
		resizing := c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress
		if action.Kind == kubelet.Wait && resizing && c.Status == corev1.ConditionTrue {
			out.Reason = strings.Join(slices.DeleteFunc([]string{string(c.Type), c.Reason, c.Message},
				func(s string) bool { return s == "" }), ": ")
		}
	}
	if action.Container != nil {
		out.Step += " " + action.Container.Name
	}
	if action.Kind == kubelet.PullImage {
		out.Unknown = append(out.Unknown, "the image may be pulled, or be there, already")
	}
	return out
}

func statusesOf(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses,
		pod.Status.EphemeralContainerStatuses)
}

// reported is what the kubelet must have observed to report this status.
func reported(pod *corev1.Pod) kubelet.Observed {
	o := kubelet.Observed{Last: pod.Status, Probes: map[string]probes.Results{}}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue {
			o.Runtime.Sandbox = runtime.Sandbox{ID: "reported", Ready: true}
			o.Volumes.Done = true
		}
	}
	for _, c := range statusesOf(pod) {
		container := runtime.Container{ID: c.ContainerID, Name: c.Name, Attempt: c.RestartCount, Image: c.Image, ImageID: c.ImageID}
		switch running, ended := c.State.Running, c.State.Terminated; {
		case running != nil:
			container.State, container.StartedAt = runtime.Running, running.StartedAt.Time
			o.Probes[c.Name] = probes.Results{ID: c.ContainerID, Startup: probes.Result{Success: c.Started != nil && *c.Started},
				Readiness: probes.Result{Success: c.Ready}}
		case ended != nil:
			container.State, container.StartedAt, container.FinishedAt = runtime.Exited, ended.StartedAt.Time, ended.FinishedAt.Time
			container.ExitCode = ended.ExitCode
		default:
			continue // it was never started
		}
		o.Runtime.Containers = append(o.Runtime.Containers, container)
	}
	return o
}

// lastSign is the newest time in the pod's status.
func lastSign(pod *corev1.Pod) time.Time {
	newest := pod.CreationTimestamp.Time
	see := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	for _, c := range pod.Status.Conditions {
		see(c.LastTransitionTime.Time)
	}
	for _, c := range statusesOf(pod) {
		if c.State.Running != nil {
			see(c.State.Running.StartedAt.Time)
		}
		if c.State.Terminated != nil {
			see(c.State.Terminated.FinishedAt.Time)
		}
	}
	return newest
}
