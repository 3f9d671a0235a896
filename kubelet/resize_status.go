package kubelet

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// setResources reports what the container was granted, and what is in force: for one that does not run, what it starts
// with next.
func (o Observed) setResources(out *corev1.ContainerStatus, v view) {
	if o.Resize == nil {
		return
	}
	resources := v.spec.Resources
	if v.alive() {
		resources = o.inForce(v)
	}
	out.Resources = resources.DeepCopy()
	out.Resources.Claims = nil // of the spec only
	out.AllocatedResources = v.spec.Resources.DeepCopy().Requests
}

// resizeConditions are PodResizePending while the pod asks for what it is not granted, and PodResizeInProgress while what
// it was granted is not in force everywhere.
func (o Observed) resizeConditions(pod *corev1.Pod, all []view, now time.Time) []corev1.PodCondition {
	if o.Resize == nil {
		return nil
	}
	var out []corev1.PodCondition
	add := func(kind corev1.PodConditionType, reason, message string) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message,
			ObservedGeneration: pod.Generation, LastTransitionTime: *seconds(now)}
		if old := conditionOf(o.Last.Conditions, kind); old != nil {
			c.LastTransitionTime = old.LastTransitionTime
			if kind == corev1.PodResizeInProgress && old.ObservedGeneration != 0 && o.pendingResize(pod) {
				c.ObservedGeneration = old.ObservedGeneration // what is in progress was asked for by an earlier generation
			}
		}
		out = append(out, c)
	}
	if granted, differs := o.grantedPod(pod); differs {
		if reason, message := o.refusal(pod, granted); reason != "" {
			add(corev1.PodResizePending, reason, message)
		}
	}
	progress := false
	for _, v := range all {
		progress = progress || (v.alive() || o.endedForResize(v)) && len(o.unsettled(v)) > 0
	}
	if progress {
		reason, message := "", ""
		for _, v := range all {
			if try := o.Resize.Tries[idOf(v)]; try.Reason != "" && len(o.unsettled(v)) > 0 {
				reason, message = try.Reason, try.Message
			}
		}
		add(corev1.PodResizeInProgress, reason, message)
	}
	return out
}

func idOf(v view) string {
	if v.current == nil {
		return ""
	}
	return v.current.ID
}

// pendingResize says that the pod asks for what it was not granted.
func (o Observed) pendingResize(pod *corev1.Pod) bool {
	if o.Resize == nil {
		return false
	}
	_, differs := o.grantedPod(pod)
	return differs
}

// withoutResize leaves out the conditions of a resize.
func withoutResize(conditions []corev1.PodCondition) []corev1.PodCondition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress
	})
}

// resizedSince says of which containers a new status reports other resources than the old one.
func resizedSince(old, now corev1.PodStatus) []string {
	var out []string
	for _, c := range slices.Concat(now.InitContainerStatuses, now.ContainerStatuses) {
		for _, was := range slices.Concat(old.InitContainerStatuses, old.ContainerStatuses) {
			if was.Name == c.Name && was.Resources != nil && c.Resources != nil && len(differing(*was.Resources, *c.Resources)) > 0 {
				out = append(out, fmt.Sprintf("container %s has %s, had %s", c.Name, shown(*c.Resources), shown(*was.Resources)))
			}
		}
	}
	return out
}

// tellResize tells of a resize that has begun, is done, waits or has failed since the last look, as upstream does.
func (s *session) tellResize(pod *corev1.Pod, last, now corev1.PodStatus) {
	was, is := conditionOf(last.Conditions, corev1.PodResizePending), conditionOf(now.Conditions, corev1.PodResizePending)
	if is != nil && (was == nil || was.Reason != is.Reason || was.Message != is.Message) {
		s.event(pod, nil, corev1.EventTypeWarning, "Resize"+is.Reason, resizeEvent(pod, is.Reason, is.Message))
	}
	was, is = conditionOf(last.Conditions, corev1.PodResizeInProgress), conditionOf(now.Conditions, corev1.PodResizeInProgress)
	switch {
	case was == nil && is != nil:
		s.event(pod, nil, corev1.EventTypeNormal, "ResizeStarted", resizeEvent(pod, "started", ""))
	case was != nil && is == nil && !terminal(now.Phase) && pod.DeletionTimestamp == nil:
		s.event(pod, nil, corev1.EventTypeNormal, "ResizeCompleted", resizeEvent(pod, "completed", ""))
		s.wakeDeferred() // the pod may have become smaller
	}
	if is != nil && is.Reason == corev1.PodReasonError && (was == nil || was.Message != is.Message) {
		s.event(pod, nil, corev1.EventTypeWarning, "ResizeError", resizeEvent(pod, "error", is.Message))
	}
}

// resizeEvent is the message of an Event about a resize, with what is asked for.
func resizeEvent(pod *corev1.Pod, what, failure string) string {
	type container struct {
		Name      string                      `json:"name"`
		Resources corev1.ResourceRequirements `json:"resources,omitzero"`
	}
	var told struct {
		InitContainers []container `json:"initContainers,omitempty"`
		Containers     []container `json:"containers"`
		Generation     int64       `json:"generation"`
		Error          string      `json:"error,omitempty"`
	}
	for _, c := range pod.Spec.InitContainers {
		told.InitContainers = append(told.InitContainers, container{c.Name, c.Resources})
	}
	for _, c := range pod.Spec.Containers {
		told.Containers = append(told.Containers, container{c.Name, c.Resources})
	}
	told.Generation, told.Error = pod.Generation, failure
	text, err := json.Marshal(told)
	if err != nil {
		return fmt.Sprintf("Pod resize %s", what)
	}
	return fmt.Sprintf("Pod resize %s: %s", what, text)
}
