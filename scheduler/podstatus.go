package scheduler

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/events"
)

// reportError says on the pod that an attempt ended in an error.
func (s *Scheduler) reportError(ctx context.Context, pod *corev1.Pod, message string) {
	s.setCondition(ctx, pod, corev1.PodReasonSchedulerError, message)
	s.events[pod.Spec.SchedulerName].WriteV1(ctx, pod, "Scheduling", events.Warning("FailedScheduling", "%s", message))
}

// repeatAfter is how long an Event stands before the same is said again of a pod that still fits nowhere.
const repeatAfter = 5 * time.Minute

// reportUnschedulable says why the pod fits nowhere, unless that has just been said; nil where there is nothing to
// say.
func (s *Scheduler) reportUnschedulable(item *queuedPod, message string) func(context.Context) {
	now := s.clock.Now()
	if item.message == message && now.Sub(item.reported) < repeatAfter {
		return nil
	}
	item.message, item.reported = message, now
	pod := item.pod
	return func(ctx context.Context) {
		s.setCondition(ctx, pod, corev1.PodReasonUnschedulable, message)
		s.events[pod.Spec.SchedulerName].WriteV1(ctx, pod, "Scheduling", events.Warning("FailedScheduling", "%s", message))
	}
}

// setCondition writes PodScheduled=False, if the pod does not say so already.
func (s *Scheduler) setCondition(ctx context.Context, pod *corev1.Pod, reason, message string) {
	if hasCondition(pod, reason, message) {
		return
	}
	changed := metav1.NewTime(s.clock.Now())
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			changed = c.LastTransitionTime
		}
	}
	_, err := s.patchStatus(ctx, pod, map[string]any{"conditions": []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message,
		LastTransitionTime: changed, ObservedGeneration: pod.Generation,
	}}})
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		s.logger.Warn("condition not written", "namespace", pod.Namespace, "pod", pod.Name, "error", err)
	}
}

func hasCondition(pod *corev1.Pod, reason, message string) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse &&
			c.Reason == reason && c.Message == message
	})
}

// patchStatus changes the fields of the pod's status, if it is still the same pod, and returns what it is now.
func (s *Scheduler) patchStatus(ctx context.Context, pod *corev1.Pod, status map[string]any) (*corev1.Pod, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		panic("scheduler: a status without JSON form: " + err.Error())
	}
	return s.client.CoreV1().Pods(pod.Namespace).Patch(
		ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}
