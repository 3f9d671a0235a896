package resize

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/events"
)

// SetResources reports what the container was granted, and what is in force: for one that does not run, what it starts
// with next.
func (s *State) SetResources(out *corev1.ContainerStatus, c Container) {
	if s == nil {
		return
	}
	resources := c.Spec.Resources
	if c.alive() {
		resources = s.inForce(c)
	}
	out.Resources = resources.DeepCopy()
	out.Resources.Claims = nil // of the spec only
	out.AllocatedResources = c.Spec.Resources.DeepCopy().Requests
}

// Conditions are PodResizePending while the pod asks for what it is not granted, and PodResizeInProgress while what it was
// granted is not in force everywhere. A condition that was reported before keeps the time of its transition.
func (s *State) Conditions(pod *corev1.Pod, last corev1.PodStatus, all []Container, now time.Time) []corev1.PodCondition {
	if s == nil {
		return nil
	}
	granted, pending := s.Pod(pod, last)
	var out []corev1.PodCondition
	add := func(kind corev1.PodConditionType, reason, message string) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message,
			ObservedGeneration: pod.Generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second))}
		if old := conditionOf(last.Conditions, kind); old != nil {
			c.LastTransitionTime = old.LastTransitionTime
			if kind == corev1.PodResizeInProgress && old.ObservedGeneration != 0 && pending {
				c.ObservedGeneration = old.ObservedGeneration // what is in progress was asked for by an earlier generation
			}
		}
		out = append(out, c)
	}
	if pending {
		if reason, message := s.Refusal(pod, granted); reason != "" {
			add(corev1.PodResizePending, reason, message)
		}
	}
	progress, reason, message := false, "", ""
	for _, c := range all {
		if len(s.unsettled(c)) == 0 {
			continue
		}
		progress = progress || c.alive() || s.Ended(c)
		if try := s.Tries[c.Current.ID]; try.Reason != "" {
			reason, message = try.Reason, try.Message
		}
	}
	if progress {
		add(corev1.PodResizeInProgress, reason, message)
	}
	return out
}

func conditionOf(conditions []corev1.PodCondition, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}

// WithoutConditions leaves out the conditions of a resize.
func WithoutConditions(conditions []corev1.PodCondition) []corev1.PodCondition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress
	})
}

// Differences say of which containers a new status reports other resources than the old one.
func Differences(old, now corev1.PodStatus) []string {
	var out []string
	for _, c := range slices.Concat(now.InitContainerStatuses, now.ContainerStatuses) {
		for _, was := range slices.Concat(old.InitContainerStatuses, old.ContainerStatuses) {
			if was.Name == c.Name && was.Resources != nil && c.Resources != nil && len(differing(*was.Resources, *c.Resources)) > 0 {
				out = append(out, fmt.Sprintf("container %s has %s, had %s", c.Name, Shown(*c.Resources), Shown(*was.Resources)))
			}
		}
	}
	return out
}

// Completed is the reason of the Event of a resize that is done.
const Completed = "ResizeCompleted"

// Events tell of a resize that has begun, is done, waits or has failed between two statuses, as upstream does.
func Events(pod *corev1.Pod, last, now corev1.PodStatus) []events.Event {
	var out []events.Event
	tell := func(make func(reason, format string, args ...any) events.Event, reason, what, failure string) {
		out = append(out, make(reason, "%s", message(pod, what, failure)))
	}
	was, is := conditionOf(last.Conditions, corev1.PodResizePending), conditionOf(now.Conditions, corev1.PodResizePending)
	if is != nil && (was == nil || was.Reason != is.Reason || was.Message != is.Message) {
		tell(events.Warning, "Resize"+is.Reason, is.Reason, is.Message)
	}
	was, is = conditionOf(last.Conditions, corev1.PodResizeInProgress), conditionOf(now.Conditions, corev1.PodResizeInProgress)
	finished := now.Phase == corev1.PodSucceeded || now.Phase == corev1.PodFailed
	switch {
	case was == nil && is != nil:
		tell(events.Normal, "ResizeStarted", "started", "")
	case was != nil && is == nil && !finished && pod.DeletionTimestamp == nil:
		tell(events.Normal, Completed, "completed", "")
	}
	if is != nil && is.Reason == corev1.PodReasonError && (was == nil || was.Message != is.Message) {
		tell(events.Warning, "ResizeError", "error", is.Message)
	}
	return out
}

// message is that of an Event about a resize, with what is asked for.
func message(pod *corev1.Pod, what, failure string) string {
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
