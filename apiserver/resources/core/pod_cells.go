package core

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
)

// The table of `kubectl get pods` (pkg/printers/internalversion/printers.go). STATUS is no field of the pod: it is
// worked out of the phase and of what the containers say, and it is what people read first.

func podColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.PodSpec{}.SwaggerDoc(), corev1.PodStatus{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Ready", "string", 0, "The aggregate readiness state of this pod for accepting traffic."),
		printers.Column("Status", "string", 0, "The aggregate status of the containers in this pod."),
		printers.Column("Restarts", "string", 0, "The number of times the containers in this pod have been restarted and when the "+
			"last container in this pod has restarted."),
		printers.AgeColumn(),
		printers.Column("IP", "string", 1, status["podIP"]),
		printers.Column("Node", "string", 1, spec["nodeName"]),
		printers.Column("Nominated Node", "string", 1, status["nominatedNodeName"]),
		printers.Column("Readiness Gates", "string", 1, spec["readinessGates"]),
	}
}

// podSummary is what the first columns say of a pod's containers.
type podSummary struct {
	ready, total int
	status       string
	restarts     int
	lastRestart  metav1.Time
}

func podCells(pod *corev1.Pod, now time.Time) []any {
	s := summarize(pod)
	restarts := strconv.Itoa(s.restarts)
	if s.restarts != 0 && !s.lastRestart.IsZero() {
		restarts = fmt.Sprintf("%d (%s ago)", s.restarts, printers.Age(s.lastRestart, now))
	}
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	return []any{
		pod.Name, fmt.Sprintf("%d/%d", s.ready, s.total), s.status, restarts, printers.Age(pod.CreationTimestamp, now),
		printers.OrNone(ip), printers.OrNone(pod.Spec.NodeName), printers.OrNone(pod.Status.NominatedNodeName), readinessGates(pod),
	}
}

// summarize looks at the init containers first: until they are done, they are what the pod is about.
func summarize(pod *corev1.Pod) podSummary {
	s := podSummary{total: len(pod.Spec.Containers), status: string(pod.Status.Phase)}
	if pod.Status.Reason != "" {
		s.status = pod.Status.Reason
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			s.status = corev1.PodReasonSchedulingGated
		}
	}
	sidecars := map[string]bool{}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; podspec.IsSidecar(c) {
			sidecars[c.Name] = true
			s.total++
		}
	}
	initializing, ofSidecars := s.addInit(pod, sidecars)
	if !initializing || podCondition(pod, corev1.PodInitialized) {
		s.restarts, s.lastRestart = ofSidecars.restarts, ofSidecars.lastRestart
		s.addContainers(pod)
	}
	terminal := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	switch {
	case pod.DeletionTimestamp != nil && pod.Status.Reason == nodeUnreachableReason:
		s.status = "Unknown"
	case pod.DeletionTimestamp != nil && !terminal:
		s.status = "Terminating"
	}
	return s
}

// nodeUnreachableReason is the status.reason of pods on a node that is not heard of any more.
const nodeUnreachableReason = "NodeLost"

// addInit counts the init containers and takes the status from the first that is not done; sidecars are done with
// starting once they run. It also returns what the sidecars alone amount to.
func (s *podSummary) addInit(pod *corev1.Pod, sidecars map[string]bool) (initializing bool, ofSidecars podSummary) {
	for i, c := range pod.Status.InitContainerStatuses {
		s.addRestarts(c)
		if sidecars[c.Name] {
			ofSidecars.addRestarts(c)
		}
		terminated, waiting := c.State.Terminated, c.State.Waiting
		switch {
		case terminated != nil && terminated.ExitCode == 0:
			continue
		case sidecars[c.Name] && c.Started != nil && *c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case terminated != nil:
			s.status = "Init:" + endReason(terminated)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.status = "Init:" + waiting.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, len(pod.Spec.InitContainers))
		}
		return true, ofSidecars
	}
	return false, ofSidecars
}

// addContainers goes from the last container to the first, so that the first one that has something to say wins.
func (s *podSummary) addContainers(pod *corev1.Pod) {
	running, failed := false, ""
	for _, c := range slices.Backward(pod.Status.ContainerStatuses) {
		s.addRestarts(c)
		switch terminated, waiting := c.State.Terminated, c.State.Waiting; {
		case waiting != nil && waiting.Reason != "":
			s.status = waiting.Reason
		case terminated != nil:
			s.status = endReason(terminated)
			if terminated.ExitCode != 0 {
				failed = s.status
			}
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	switch {
	case s.status != "Completed":
	case running && podCondition(pod, corev1.PodReady):
		s.status = "Running"
	case failed != "":
		s.status = failed
	case running:
		s.status = "NotReady"
	}
}

func (s *podSummary) addRestarts(c corev1.ContainerStatus) {
	s.restarts += int(c.RestartCount)
	if last := c.LastTerminationState.Terminated; last != nil && s.lastRestart.Before(&last.FinishedAt) {
		s.lastRestart = last.FinishedAt
	}
}

// endReason says why a container ended, by its reason, its signal or its exit code.
func endReason(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return printers.None
	}
	met := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if podCondition(pod, gate.ConditionType) {
			met++
		}
	}
	return fmt.Sprintf("%d/%d", met, len(pod.Spec.ReadinessGates))
}
