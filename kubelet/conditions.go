package kubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// setConditions reports the conditions that a kubelet owns, with upstream's reasons and messages, and keeps all others.
// A condition's transition time is kept while its status is.
func setConditions(pod *corev1.Pod, o Observed, out *corev1.PodStatus, inits []view, now time.Time) {
	containers := containersReady(out, inits)
	conditions := []corev1.PodCondition{
		sandboxReady(o, out.Phase), podInitialized(out, inits), podReady(pod, out, containers), containers,
	}
	kept := out.Conditions
	out.Conditions = nil
	for _, c := range conditions {
		c.ObservedGeneration = pod.Generation
		c.LastTransitionTime = *seconds(now)
		if old := conditionOf(o.Last.Conditions, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		out.Conditions = append(out.Conditions, c)
	}
	for _, c := range kept {
		if conditionOf(conditions, c.Type) == nil {
			out.Conditions = append(out.Conditions, c)
		}
	}
}

func conditionOf(conditions []corev1.PodCondition, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}

func condition(kind corev1.PodConditionType, ok bool, reason, message string) corev1.PodCondition {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue}
	if !ok {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, message
	}
	return c
}

func sandboxReady(o Observed, phase corev1.PodPhase) corev1.PodCondition {
	return condition(corev1.PodReadyToStartContainers, o.Runtime.Sandbox.Ready && !terminal(phase), "", "")
}

func podInitialized(out *corev1.PodStatus, inits []view) corev1.PodCondition {
	if out.Phase == corev1.PodSucceeded {
		c := condition(corev1.PodInitialized, true, "", "")
		c.Reason = "PodCompleted"
		return c
	}
	var incomplete []string
	for i, v := range inits {
		if !initsDone([]view{v}, out.InitContainerStatuses[i:i+1]) {
			incomplete = append(incomplete, v.spec.Name)
		}
	}
	// A pod of which a container has started has been initialized, whatever becomes of a sidecar.
	for _, s := range out.ContainerStatuses {
		if s.State.Running != nil || s.State.Terminated != nil {
			incomplete = nil
		}
	}
	return condition(corev1.PodInitialized, len(incomplete) == 0, "ContainersNotInitialized",
		fmt.Sprintf("containers with incomplete status: %s", incomplete))
}

// containersReady counts sidecars like the pod's other containers (upstream's GenerateContainersReadyCondition).
func containersReady(out *corev1.PodStatus, inits []view) corev1.PodCondition {
	switch out.Phase {
	case corev1.PodSucceeded:
		return condition(corev1.ContainersReady, false, "PodCompleted", "")
	case corev1.PodFailed:
		return condition(corev1.ContainersReady, false, "PodFailed", "")
	}
	var unready []string
	for i, s := range out.InitContainerStatuses {
		if inits[i].sidecar && !s.Ready {
			unready = append(unready, s.Name)
		}
	}
	for _, s := range out.ContainerStatuses {
		if !s.Ready {
			unready = append(unready, s.Name)
		}
	}
	return condition(corev1.ContainersReady, len(unready) == 0, "ContainersNotReady",
		fmt.Sprintf("containers with unready status: %s", unready))
}

func podReady(pod *corev1.Pod, out *corev1.PodStatus, containers corev1.PodCondition) corev1.PodCondition {
	containers.Type = corev1.PodReady
	if containers.Status != corev1.ConditionTrue {
		return containers
	}
	for _, gate := range pod.Spec.ReadinessGates {
		c := conditionOf(out.Conditions, gate.ConditionType)
		if c == nil {
			return condition(corev1.PodReady, false, "ReadinessGatesNotReady",
				fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		}
		if c.Status != corev1.ConditionTrue {
			return condition(corev1.PodReady, false, "ReadinessGatesNotReady",
				fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, c.Status))
		}
	}
	return containers
}

// qosClass is Guaranteed where every container limits cpu and memory to what it requests, BestEffort where none says
// anything, else Burstable. https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
func qosClass(pod *corev1.Pod) corev1.PodQOSClass {
	guaranteed, said := true, false
	all := append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...)
	for _, c := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := positive(c.Resources.Requests, name), positive(c.Resources.Limits, name)
			said = said || request != nil || limit != nil
			if limit == nil || (request != nil && request.Cmp(*limit) != 0) {
				guaranteed = false
			}
		}
	}
	switch {
	case !said:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

func positive(list corev1.ResourceList, name corev1.ResourceName) *resource.Quantity {
	if q, ok := list[name]; ok && q.Sign() > 0 {
		return &q
	}
	return nil
}
