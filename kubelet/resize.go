package kubelet

import (
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcehelpers "k8s.io/component-helpers/resource"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/runtime"
)

// The in-place resize of pods, decided by pure functions. A container has three sets of cpu and memory: what its spec asks
// for, what the node has granted it, and what is in force where it runs. The spec's is granted for the whole pod at once,
// where the node has room for it (grant); what was granted is then brought into force, container by container, without or
// with a restart as the resizePolicy says (resizeContainer). The status tells all of it, so that a kubelet that starts
// again goes on from there.
// https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/

// Resizing is what a node that can resize knows of one pod beside its status.
type Resizing struct {
	// Granted is what containers were granted by this kubelet, by their names.
	Granted map[string]corev1.ResourceRequirements
	// InForce is what containers were started or resized with by this kubelet, by their IDs.
	InForce map[string]corev1.ResourceRequirements
	// Tries are the resizes that failed last, by the containers' IDs.
	Tries map[string]backoff.Try
	// Allocatable is what the node has for pods, Used what its other pods were granted. Both are only known while the pod
	// asks for something that it was not granted.
	Allocatable, Used corev1.ResourceList
}

// retryResize is what is waited before a failed resize of a container is tried again.
const retryResize = 10 * time.Second

// resizable are the resources that can change.
var resizable = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// granted is the container with what the node has granted it: what this kubelet remembers, or an earlier one has reported,
// or else what the spec asks for.
func (o Observed) granted(spec *corev1.Container, last corev1.ContainerStatus) *corev1.Container {
	if o.Resize == nil {
		return spec
	}
	granted, ok := o.Resize.Granted[spec.Name]
	if !ok && last.Resources == nil {
		return spec
	}
	if !ok {
		granted = *last.Resources
		if last.AllocatedResources != nil {
			granted.Requests = last.AllocatedResources
		}
	}
	if len(differing(granted, spec.Resources)) == 0 {
		return spec
	}
	out := *spec
	out.Resources = withResizable(spec.Resources, granted)
	return &out
}

// withResizable is base with the cpu and memory of another.
func withResizable(base, from corev1.ResourceRequirements) corev1.ResourceRequirements {
	take := func(base, from corev1.ResourceList) corev1.ResourceList {
		out := maps.Clone(base)
		for _, name := range resizable {
			delete(out, name)
			if quantity, ok := from[name]; ok {
				if out == nil {
					out = corev1.ResourceList{}
				}
				out[name] = quantity
			}
		}
		return out
	}
	base.Requests, base.Limits = take(base.Requests, from.Requests), take(base.Limits, from.Limits)
	return base
}

// differing are the resources that can change and are not the same in both.
func differing(a, b corev1.ResourceRequirements) []corev1.ResourceName {
	var out []corev1.ResourceName
	for _, name := range resizable {
		if !sameQuantity(a.Requests, b.Requests, name) || !sameQuantity(a.Limits, b.Limits, name) {
			out = append(out, name)
		}
	}
	return out
}

func sameQuantity(a, b corev1.ResourceList, name corev1.ResourceName) bool {
	x, inA := a[name]
	y, inB := b[name]
	return inA == inB && x.Cmp(y) == 0
}

// inForce is what the container's newest attempt runs with, or ran with.
func (o Observed) inForce(v view) corev1.ResourceRequirements {
	if known, ok := o.Resize.InForce[v.current.ID]; ok {
		return known
	}
	if v.last.ContainerID == v.current.ID && v.last.Resources != nil {
		return withResizable(v.spec.Resources, *v.last.Resources)
	}
	return v.spec.Resources
}

// unsettled are the resources that the container was granted otherwise than it runs with.
func (o Observed) unsettled(v view) []corev1.ResourceName {
	if o.Resize == nil || v.current == nil {
		return nil
	}
	return differing(o.inForce(v), v.spec.Resources)
}

// grantedPod is the pod with what the node has granted it, and whether that is less or more than its spec asks for.
func (o Observed) grantedPod(pod *corev1.Pod) (*corev1.Pod, bool) {
	out, differs := pod, false
	inits, mains := views(pod, o)
	for _, list := range []struct {
		views []view
		of    func(*corev1.Pod) []corev1.Container
	}{
		{inits, func(p *corev1.Pod) []corev1.Container { return p.Spec.InitContainers }},
		{mains, func(p *corev1.Pod) []corev1.Container { return p.Spec.Containers }},
	} {
		for i, v := range list.views {
			if len(differing(v.spec.Resources, list.of(pod)[i].Resources)) == 0 {
				continue
			}
			if !differs {
				out, differs = pod.DeepCopy(), true
			}
			list.of(out)[i].Resources = v.spec.Resources
		}
	}
	return out, differs
}

// refusal says why the node does not grant what the pod's spec asks for, in upstream's words: Infeasible is more than the
// node has at all, Deferred more than the other pods leave. A pod that asks for no more than before is not refused for
// what others have.
func (o Observed) refusal(pod, granted *corev1.Pod) (reason, message string) {
	want := resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{})
	have := resourcehelpers.PodRequests(granted, resourcehelpers.PodResourcesOptions{})
	for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceCPU} {
		if wanted, most := amount(want, name), amount(o.Resize.Allocatable, name); wanted > most {
			return corev1.PodReasonInfeasible, fmt.Sprintf(
				"Node didn't have enough capacity: %s, requested: %d, capacity: %d", name, wanted, most)
		}
	}
	for _, name := range resizable {
		wanted, used, most := amount(want, name), amount(o.Resize.Used, name), amount(o.Resize.Allocatable, name)
		if wanted > amount(have, name) && used+wanted > most {
			return corev1.PodReasonDeferred, fmt.Sprintf(
				"Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d", name, wanted, used, most)
		}
	}
	return "", ""
}

// amount is in thousandths of a cpu, or in bytes.
func amount(list corev1.ResourceList, name corev1.ResourceName) int64 {
	quantity := list[name]
	if name == corev1.ResourceCPU {
		return quantity.MilliValue()
	}
	return quantity.Value()
}

// grant is the step by which the node grants what the pod's spec asks for; nil where there is nothing to grant, or no room.
func (o Observed) grant(pod *corev1.Pod) *Action {
	if o.Resize == nil {
		return nil
	}
	granted, differs := o.grantedPod(pod)
	if !differs {
		return nil
	}
	if reason, _ := o.refusal(pod, granted); reason != "" {
		return nil
	}
	var changes []string
	for i, c := range runtime.ContainersOf(pod) {
		if was := runtime.ContainersOf(granted)[i]; len(differing(c.Resources, was.Resources)) > 0 {
			changes = append(changes, fmt.Sprintf("container %s %s, had %s", c.Name, shown(c.Resources), shown(was.Resources)))
		}
	}
	return &Action{Kind: GrantResources, Reason: "the node has room for the pod's resize: " + strings.Join(changes, "; ")}
}

// shown are requests and limits in short: "cpu 100m of 200m, memory none of 1Gi".
func shown(r corev1.ResourceRequirements) string {
	var parts []string
	say := func(list corev1.ResourceList, name corev1.ResourceName) string {
		if quantity, ok := list[name]; ok {
			return quantity.String()
		}
		return "none"
	}
	for _, name := range resizable {
		parts = append(parts, fmt.Sprintf("%s %s of %s", name, say(r.Requests, name), say(r.Limits, name)))
	}
	return strings.Join(parts, ", ")
}

// resizeContainer is the step that brings into force what a running container was granted; nil where it is.
func (o Observed) resizeContainer(pod *corev1.Pod, v view, now time.Time) *Action {
	changed := o.unsettled(v)
	if len(changed) == 0 {
		return nil
	}
	reason := fmt.Sprintf("container %s runs with %s and was granted %s", v.spec.Name, shown(o.inForce(v)),
		shown(v.spec.Resources))
	if name := restartsFor(v.spec, changed); name != "" {
		return &Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: podGrace(pod),
			Reason: fmt.Sprintf("%s; its resizePolicy for %s is %s", reason, name, corev1.RestartContainer),
			Event:  fmt.Sprintf("Container %s resize requires restart", v.spec.Name)}
	}
	if wait := waits(o.Resize.Tries[v.current.ID], now, "resizing container "+v.spec.Name); wait != nil {
		return wait
	}
	return &Action{Kind: ResizeContainer, Container: v.spec, ID: v.current.ID, Reason: reason}
}

// restartsFor is the first of the resources for which the container's resizePolicy asks for a restart, or "".
func restartsFor(c *corev1.Container, changed []corev1.ResourceName) corev1.ResourceName {
	for _, name := range changed {
		for _, policy := range c.ResizePolicy {
			if policy.ResourceName == name && policy.RestartPolicy == corev1.RestartContainer {
				return name
			}
		}
	}
	return ""
}

// endedForResize says that the container was asked to end so that it starts again with other resources. That holds
// whatever the pod's restartPolicy says of its exit code.
func (o Observed) endedForResize(v view) bool {
	if o.Resize == nil || v.current == nil || v.current.State != runtime.Exited {
		return false
	}
	_, asked := o.Stopping[v.current.ID]
	return asked && restartsFor(v.spec, o.unsettled(v)) != ""
}
