package kubelet

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/journal"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// reports says whether the status is worth a write before this step: when the pod waits, and before anything is
// forgotten.
func reports(a Action) bool {
	switch a.Kind {
	case Wait, StopSandbox, DeletePod:
		return true
	case Remove:
		return a.Container == nil
	}
	return false
}

// report writes the status where it differs from what the API has. A pod that is no more is no error.
func (s *session) report(ctx context.Context, e *podState, pod *corev1.Pod, o Observed, status corev1.PodStatus) (bool, error) {
	s.tellWaiting(pod, o, status)
	if equality.Semantic.DeepEqual(pod.Status, status) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(journal.WithReason(ctx, StatusReason(pod.Status, status)), writeTimeout)
	defer cancel()
	update := pod.DeepCopy()
	update.Status = status
	written, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reporting the status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if written.UID == pod.UID {
		e.see(written)
	}
	return true, nil
}

// StatusReason says what a new status reports that the old one did not.
func StatusReason(old, now corev1.PodStatus) string {
	var parts []string
	if old.Phase != now.Phase {
		parts = append(parts, fmt.Sprintf("phase %s, was %s", now.Phase, cmp.Or(string(old.Phase), "none")))
	}
	for _, c := range runtime.StatusesOf(now) {
		was := stateOf(runtime.StatusesOf(old), c.Name)
		if is := stateOf([]corev1.ContainerStatus{c}, c.Name); is != was {
			parts = append(parts, fmt.Sprintf("container %s is %s, was %s", c.Name, is, was))
		}
	}
	parts = append(parts, resize.Differences(old, now)...)
	for _, c := range now.Conditions {
		was := corev1.ConditionUnknown
		if old := conditionOf(old.Conditions, c.Type); old != nil {
			was = old.Status
		}
		if was != c.Status {
			parts = append(parts, fmt.Sprintf("condition %s is %s, was %s", c.Type, c.Status, was))
		}
	}
	if old.PodIP != now.PodIP {
		parts = append(parts, fmt.Sprintf("address %s, was %s", cmp.Or(now.PodIP, "none"), cmp.Or(old.PodIP, "none")))
	}
	if len(parts) == 0 {
		parts = append(parts, detail(old, now))
	}
	return strings.Join(parts, "; ")
}

// detail names what differs where nothing of importance does.
func detail(old, now corev1.PodStatus) string {
	for _, c := range runtime.StatusesOf(now) {
		for _, was := range runtime.StatusesOf(old) {
			switch {
			case was.Name != c.Name || equality.Semantic.DeepEqual(was, c):
			case was.ImageID != c.ImageID:
				return fmt.Sprintf("container %s has image %s, was %s", c.Name, c.ImageID, cmp.Or(was.ImageID, "none"))
			case ptr.Deref(was.Started, false) != ptr.Deref(c.Started, false):
				return fmt.Sprintf("container %s has started: %t", c.Name, ptr.Deref(c.Started, false))
			default:
				return fmt.Sprintf("details of container %s differ", c.Name)
			}
		}
	}
	for _, c := range now.Conditions {
		if was := conditionOf(old.Conditions, c.Type); was != nil && (was.Reason != c.Reason || was.Message != c.Message) {
			return fmt.Sprintf("condition %s says %q, said %q", c.Type, cmp.Or(c.Message, c.Reason), cmp.Or(was.Message, was.Reason))
		}
	}
	if old.ObservedGeneration != now.ObservedGeneration {
		return fmt.Sprintf("generation %d is seen", now.ObservedGeneration)
	}
	return "details of the status differ"
}

func stateOf(statuses []corev1.ContainerStatus, name string) string {
	for _, c := range statuses {
		if c.Name != name {
			continue
		}
		switch {
		case c.State.Running != nil:
			return fmt.Sprintf("running (restarts %d, ready %t)", c.RestartCount, c.Ready)
		case c.State.Terminated != nil:
			return fmt.Sprintf("terminated (%s, code %d)", c.State.Terminated.Reason, c.State.Terminated.ExitCode)
		case c.State.Waiting != nil:
			return "waiting (" + c.State.Waiting.Reason + ")"
		}
	}
	return "unknown"
}
