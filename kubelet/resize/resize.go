package resize

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

// State is what a node that can resize knows of one pod beside its status. A nil State is that of a node that cannot.
type State struct {
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

// Retry is what is waited before a failed resize of a container is tried again.
const Retry = 10 * time.Second

// resizable are the resources that can change.
var resizable = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

// Container is a container of the pod with its newest attempt.
type Container struct {
	// Spec has the resources that the node has granted it.
	Spec *corev1.Container
	// Current is the newest attempt that the runtime has, nil where there is none; Last is the newest status reported.
	Current *runtime.Container
	Last    corev1.ContainerStatus
	// Asked says that Current was asked to end.
	Asked bool
}

func (c Container) alive() bool { return c.Current != nil && c.Current.State != runtime.Exited }

// Container is the container of the spec with what the node has granted it: what this kubelet remembers, or an earlier one has reported,
// or else what the spec asks for.
func (s *State) Container(spec *corev1.Container, last corev1.ContainerStatus) *corev1.Container {
	if s == nil {
		return spec
	}
	granted, ok := s.Granted[spec.Name]
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
func (s *State) inForce(c Container) corev1.ResourceRequirements {
	if known, ok := s.InForce[c.Current.ID]; ok {
		return known
	}
	if c.Last.ContainerID == c.Current.ID && c.Last.Resources != nil {
		return withResizable(c.Spec.Resources, *c.Last.Resources)
	}
	return c.Spec.Resources
}

// unsettled are the resources that the container was granted otherwise than it runs with.
func (s *State) unsettled(c Container) []corev1.ResourceName {
	if s == nil || c.Current == nil {
		return nil
	}
	return differing(s.inForce(c), c.Spec.Resources)
}

// Pod is the pod with what the node has granted it, and whether that is less or more than its spec asks for.
func (s *State) Pod(pod *corev1.Pod, last corev1.PodStatus) (*corev1.Pod, bool) {
	out, differs := pod, false
	if s == nil {
		return out, false
	}
	for _, list := range []struct {
		of       func(*corev1.Pod) []corev1.Container
		statuses []corev1.ContainerStatus
	}{
		{func(p *corev1.Pod) []corev1.Container { return p.Spec.InitContainers }, last.InitContainerStatuses},
		{func(p *corev1.Pod) []corev1.Container { return p.Spec.Containers }, last.ContainerStatuses},
	} {
		for i := range list.of(pod) {
			spec := &list.of(pod)[i]
			granted := s.Container(spec, statusOf(list.statuses, spec.Name))
			if len(differing(granted.Resources, spec.Resources)) == 0 {
				continue
			}
			if !differs {
				out, differs = pod.DeepCopy(), true
			}
			list.of(out)[i].Resources = granted.Resources
		}
	}
	return out, differs
}

func statusOf(statuses []corev1.ContainerStatus, name string) corev1.ContainerStatus {
	for _, status := range statuses {
		if status.Name == name {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

// Refusal says why the node does not grant what the pod's spec asks for, in upstream's words: Infeasible is more than the
// node has at all, Deferred more than the other pods leave. A pod that asks for no more than before is not refused for
// what others have.
func (s *State) Refusal(pod, granted *corev1.Pod) (reason, message string) {
	want := resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{})
	have := resourcehelpers.PodRequests(granted, resourcehelpers.PodResourcesOptions{})
	for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceCPU} {
		if wanted, most := amount(want, name), amount(s.Allocatable, name); wanted > most {
			return corev1.PodReasonInfeasible, fmt.Sprintf(
				"Node didn't have enough capacity: %s, requested: %d, capacity: %d", name, wanted, most)
		}
	}
	for _, name := range resizable {
		wanted, used, most := amount(want, name), amount(s.Used, name), amount(s.Allocatable, name)
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

// Grant says that the node grants what the pod's spec asks for, and why; it is false where there is nothing to grant, or no room.
func (s *State) Grant(pod *corev1.Pod, last corev1.PodStatus) (reason string, ok bool) {
	granted, differs := s.Pod(pod, last)
	if !differs {
		return "", false
	}
	if refused, _ := s.Refusal(pod, granted); refused != "" {
		return "", false
	}
	var changes []string
	was := runtime.ContainersOf(granted)
	for i, c := range runtime.ContainersOf(pod) {
		if was := was[i]; len(differing(c.Resources, was.Resources)) > 0 {
			changes = append(changes, fmt.Sprintf("container %s %s, had %s", c.Name, Shown(c.Resources), Shown(was.Resources)))
		}
	}
	return "the node has room for the pod's resize: " + strings.Join(changes, "; "), true
}

// Shown are requests and limits in short: "cpu 100m of 200m, memory none of 1Gi".
func Shown(r corev1.ResourceRequirements) string {
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

// Change says that a running container is to get what it was granted, and why. restart is the first resource for which its
// resizePolicy asks for a restart, or "". It is false where nothing is to change.
func (s *State) Change(c Container) (reason string, restart corev1.ResourceName, ok bool) {
	changed := s.unsettled(c)
	if len(changed) == 0 {
		return "", "", false
	}
	return fmt.Sprintf("container %s runs with %s and was granted %s", c.Spec.Name, Shown(s.inForce(c)),
		Shown(c.Spec.Resources)), restartsFor(c.Spec, changed), true
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

// Ended says that the container was asked to end so that it starts again with other resources. That holds whatever the pod's
// restartPolicy says of its exit code.
func (s *State) Ended(c Container) bool {
	return s != nil && c.Current != nil && c.Current.State == runtime.Exited && c.Asked && restartsFor(c.Spec, s.unsettled(c)) != ""
}

// Add adds to sum what a pod was granted, or still has in force.
func Add(sum corev1.ResourceList, granted *corev1.Pod, last corev1.PodStatus) {
	held := granted.DeepCopy()
	for _, list := range []struct {
		containers []corev1.Container
		statuses   []corev1.ContainerStatus
	}{{held.Spec.InitContainers, last.InitContainerStatuses}, {held.Spec.Containers, last.ContainerStatuses}} {
		for i := range list.containers {
			holdInForce(&list.containers[i], list.statuses)
		}
	}
	requests := resourcehelpers.PodRequests(held, resourcehelpers.PodResourcesOptions{})
	for _, name := range resizable {
		total := sum[name]
		total.Add(requests[name])
		sum[name] = total
	}
}

// holdInForce raises the container's requests to those that are in force: what shrinks is free when it has shrunk.
func holdInForce(c *corev1.Container, statuses []corev1.ContainerStatus) {
	for _, status := range statuses {
		if status.Name != c.Name || status.Resources == nil {
			continue
		}
		for name, inForce := range status.Resources.Requests {
			if request := c.Resources.Requests[name]; inForce.Cmp(request) > 0 {
				if c.Resources.Requests == nil {
					c.Resources.Requests = corev1.ResourceList{}
				}
				c.Resources.Requests[name] = inForce
			}
		}
	}
}
