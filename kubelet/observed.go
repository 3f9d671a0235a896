package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// Observed is everything about one pod that Next and PodStatus need and that the pod's spec does not say.
type Observed struct {
	// Runtime is what the runtime lists; its Sandbox.ID is empty where there is nothing.
	Runtime runtime.Pod
	// Last is the newest status reported, by this kubelet or an earlier one.
	Last corev1.PodStatus
	// Gone says that the API object is no more while containers may still run.
	Gone bool
	// Stale says that what the volumes are made of may have changed since they were mounted. Files says that the pod has files
	// on the node.
	Stale, Files bool
	// Volumes is how far mounting has come, Sandbox how starting the sandbox failed last.
	Volumes, Sandbox backoff.Try
	// Pulls are the latest tries for each image that a container needs, by its key, Starts those for each container's start.
	Pulls  map[string]images.Pull
	Starts map[string]backoff.Try
	// BackOffs are each container's restart back-off.
	BackOffs map[string]backoff.BackOff
	// Probes are each running container's results.
	Probes map[string]probes.Results
	// Hooks are the postStart hooks of containers, by ID.
	Hooks map[string]Hook
	// Resize is what is known of the pod's resources while they change; nil where the runtime cannot resize containers.
	Resize *resize.State
	// Stopping are the times by which containers, by ID, were asked to have ended.
	Stopping map[string]time.Time
}

// pull is the latest try for an image that the pod's spec asks for by now.
func (o Observed) pull(w images.Wanted) images.Pull {
	if p := o.Pulls[w.Key()]; p.Image == w.Image {
		return p
	}
	return images.Pull{}
}

// lacks is the first image that the container cannot have, and what it reports of that; nil where no pull has failed.
func (o Observed) lacks(pod *corev1.Pod, c *corev1.Container, now time.Time) (images.Wanted, *corev1.ContainerStateWaiting) {
	for _, wanted := range images.WantedBy(pod, c) {
		if waiting := o.pull(wanted).Waiting(now); waiting != nil {
			return wanted, waiting
		}
	}
	return images.Wanted{}, nil
}

// view is one container of the spec with all that is known about it.
type view struct {
	spec *corev1.Container
	// init says that it is an init container, sidecar that it is one with restartPolicy Always; again that it has ended so
	// that it starts again with other resources.
	init, sidecar, again bool
	// ephemeral says that it is an ephemeral container.
	ephemeral bool
	// current is the newest attempt that the runtime has, previous the one before; nil where there is none.
	current, previous *runtime.Container
	last              corev1.ContainerStatus
}

// ended is how an attempt at a container ended.
type ended struct {
	code            int32
	at              time.Time
	reason, message string
}

// views are the pod's init containers and containers in the order of the spec.
func views(pod *corev1.Pod, o Observed) (inits, mains []view) {
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		v := newView(c, o, o.Last.InitContainerStatuses)
		v.init = true
		v.sidecar = c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		inits = append(inits, v)
	}
	for i := range pod.Spec.Containers {
		mains = append(mains, newView(&pod.Spec.Containers[i], o, o.Last.ContainerStatuses))
	}
	return inits, mains
}

func newView(spec *corev1.Container, o Observed, last []corev1.ContainerStatus) view {
	v := view{}
	for i := range o.Runtime.Containers {
		c := &o.Runtime.Containers[i]
		if c.Name != spec.Name {
			continue
		}
		if v.current == nil || c.Attempt > v.current.Attempt {
			v.current, v.previous = c, v.current
		} else if v.previous == nil || c.Attempt > v.previous.Attempt {
			v.previous = c
		}
	}
	for _, status := range last {
		if status.Name == spec.Name {
			v.last = status
		}
	}
	v.spec = o.Resize.Container(spec, v.last)
	// Where a newer attempt was reported than the runtime has, that one is lost, and the one that is left came before
	// it.
	if v.current != nil && v.current.Attempt < v.last.RestartCount && !v.alive() {
		v.current, v.previous = nil, v.current
	}
	v.again = o.Resize.Ended(o.resizing(v))
	return v
}

// resizing is the container as a resize needs it.
func (o Observed) resizing(v view) resize.Container {
	out := resize.Container{Spec: v.spec, Current: v.current, Last: v.last}
	if v.current != nil {
		_, out.Asked = o.Stopping[v.current.ID]
	}
	return out
}

func (o Observed) allResizing(all []view) []resize.Container {
	var out []resize.Container
	for _, v := range all {
		out = append(out, o.resizing(v))
	}
	return out
}

// alive says that the container runs or is about to.
func (v view) alive() bool { return v.current != nil && v.current.State != runtime.Exited }

// running says that the container runs.
func (v view) running() bool { return v.current != nil && v.current.State == runtime.Running }

// lost says that the container was started once and that the runtime has nothing of it any more.
func (v view) lost() bool { return v.current == nil && v.last.ContainerID != "" }

// outdated says that the container runs another image than its spec asks for by now; the image is all that may change
// of a running pod's containers. One that would not be started again keeps running: stopping it would end its pod.
// (Upstream starts it again all the same.)
func (v view) outdated(pod *corev1.Pod) bool {
	again := v.sidecar || !v.init && !v.ephemeral && pod.Spec.RestartPolicy == corev1.RestartPolicyAlways
	return again && v.running() && v.current.Image != "" && v.current.Image != v.spec.Image
}

// end is how the newest attempt ended, or nil where it has not or there was none. A container that was reported running
// and is lost has ended as upstream says it of one that it cannot find: with 137 and ContainerStatusUnknown.
func (v view) end() *ended {
	switch {
	case v.current != nil && v.current.State == runtime.Exited:
		c := v.current
		return &ended{code: c.ExitCode, at: c.FinishedAt, reason: c.Reason, message: c.Message}
	case v.current != nil || !v.lost():
		return nil
	}
	t := v.last.State.Terminated
	if t == nil && v.last.State.Running == nil {
		t = v.last.LastTerminationState.Terminated
	}
	if t == nil {
		t = v.unknown()
	}
	return &ended{code: t.ExitCode, at: t.FinishedAt.Time, reason: t.Reason, message: t.Message}
}

// lost is the end of a container of which nobody knows how it ended.
func lost(id string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "ContainerStatusUnknown",
		Message:     "The container could not be located when the pod was terminated",
		ContainerID: id,
	}
}

// unknown is the end of a container that was running when it was last reported and is lost.
func (v view) unknown() *corev1.ContainerStateTerminated {
	out := lost(v.last.ContainerID)
	if r := v.last.State.Running; r != nil {
		out.StartedAt = metav1.Time{Time: r.StartedAt.Time}
	}
	return out
}

// attempt is the number of the next attempt.
func (v view) attempt() int32 {
	switch {
	case v.current != nil:
		return v.current.Attempt + 1
	case v.lost():
		return v.last.RestartCount + 1
	}
	return 0
}

// restarts says whether the container is started again after this end, as the pod's restartPolicy has it. A sidecar
// always is, an ephemeral container never.
func (v view) restarts(pod *corev1.Pod, end *ended) bool {
	if v.sidecar || v.again {
		return true
	}
	if v.ephemeral {
		return false
	}
	switch pod.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return end.code != 0
	default:
		return !v.init || end.code != 0
	}
}

// initialized says that the init containers have done their work in this sandbox: a container was started after them.
func initialized(mains []view) bool {
	for _, v := range mains {
		if v.current != nil {
			return true
		}
	}
	return false
}

// probes are the results about the container's current attempt.
func (o Observed) probes(v view) probes.Results {
	if results := o.Probes[v.spec.Name]; v.current != nil && results.ID == v.current.ID {
		return results
	}
	return probes.Results{}
}
