package rollout

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers"
	"minik.dev/kubelet/runtime"
)

// PodStatus says how far one pod is. A pod that has done its work is as good as a ready one.
func PodStatus(pod *corev1.Pod) controllers.RolloutStatus {
	w := controllers.RolloutStatus{Want: 1}
	switch {
	case pod.DeletionTimestamp != nil:
		w.State, w.Why = Waiting, "it is being deleted"
	case pod.Status.Phase == corev1.PodSucceeded:
		w.State, w.Ready = Available, 1
	case pod.Status.Phase == corev1.PodFailed:
		w.State, w.Why = Failed, failureWhy(pod)
	case ready(pod):
		w.State, w.Ready = Available, 1
	default:
		w.State, w.Why = Waiting, podWhy(pod)
	}
	return w
}

func ready(pod *corev1.Pod) bool {
	condition := condition(pod, corev1.PodReady)
	return condition != nil && condition.Status == corev1.ConditionTrue
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// Kept names what keeps a pod from becoming ready until something changes: a reason such as ImagePullBackOff, or that it is
// "without a node"; "" where it is only on its way.
func Kept(pod *corev1.Pod) string {
	if pod.Spec.NodeName == "" {
		return "without a node"
	}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, status := range statuses {
			if status.State.Waiting != nil && !starting(status.State.Waiting) {
				return status.State.Waiting.Reason
			}
		}
	}
	return ""
}

// starting tells the waiting of a container that starts from that of one that can't.
func starting(waits *corev1.ContainerStateWaiting) bool {
	return waits.Reason == "" || waits.Reason == "ContainerCreating" || waits.Reason == "PodInitializing"
}

// podWhy is why a pod that is on its way is not ready: no node, a container that does not start, or a probe that fails.
func podWhy(pod *corev1.Pod) string {
	if scheduled := condition(pod, corev1.PodScheduled); scheduled != nil && scheduled.Status == corev1.ConditionFalse {
		if scheduled.Message != "" {
			return scheduled.Message
		}
		return scheduled.Reason
	}
	if pod.Spec.NodeName == "" {
		return "it has no node yet"
	}
	for _, status := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...),
		pod.Status.ContainerStatuses...) {
		if why := containerWhy(pod, status); why != "" {
			return why
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Running != nil && !status.Ready {
			return fmt.Sprintf("container %s runs but is not ready", status.Name)
		}
	}
	return "it starts on " + pod.Spec.NodeName
}

// containerWhy is what keeps a container from running; "" for one that runs, has done its work, or only starts.
// What everybody looks for comes first, the reason, and the image where that is what is missing: a terminal may show no more.
func containerWhy(pod *corev1.Pod, status corev1.ContainerStatus) string {
	switch waits := status.State.Waiting; {
	case waits != nil && !starting(waits):
		why := waits.Reason
		if c := runtime.ContainerOf(pod, status.Name); c != nil && strings.Contains(why, "Image") {
			why += ": " + c.Image
		}
		if waits.Message != "" {
			why += ": " + waits.Message
		}
		return fmt.Sprintf("%s (container %s)", why, status.Name)
	case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
		return exitWhy(status)
	}
	return ""
}

func exitWhy(status corev1.ContainerStatus) string {
	ended := status.State.Terminated
	return fmt.Sprintf("container %s ended with exit code %d (%s)", status.Name, ended.ExitCode, ended.Reason)
}

// failureWhy is why a pod has failed for good.
func failureWhy(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Terminated != nil && status.State.Terminated.ExitCode != 0 {
			return exitWhy(status)
		}
	}
	switch {
	case pod.Status.Message != "":
		return pod.Status.Message
	case pod.Status.Reason != "":
		return pod.Status.Reason
	}
	return "it failed"
}
