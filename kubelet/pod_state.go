package kubelet

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// podState is what a session remembers of one pod between two looks at it.
type podState struct {
	mu sync.Mutex // guards everything below; never held while calling out

	pod  *corev1.Pod // the newest seen; never changed in place
	gone bool        // the API object is no more
	last *corev1.PodStatus

	volumes, sandbox backoff.Try
	// stale asks for another look at what the volumes are made of; files says that the pod's directory is there.
	stale, files bool
	attempt      int32 // of the next sandbox
	pulls        map[string]images.Pull
	starts       map[string]backoff.Try
	backOffs     map[string]backoff.BackOff
	stopping     map[string]time.Time
	hooks        map[string]Hook               // by container ID
	preStops     map[string]context.CancelFunc // by container ID: ends the hook
	// cancel ends the pull of a container's image.
	cancel map[string]context.CancelFunc
	// unannounced are the IDs of containers that were started and not yet seen running.
	unannounced map[string]bool
	// probed are the running containers, by name.
	probed map[string]probes.Running
	podIP  string
	// words are the messages that ended containers left, by their IDs.
	words map[string]string
	// granted are the resources that containers were granted, by name; nil where the runtime cannot resize. inForce are those
	// that they were started or resized with, and resizes how that failed last, both by ID.
	granted, inForce map[string]corev1.ResourceRequirements
	resizes          map[string]backoff.Try
	// told are the IDs of containers whose end by want of memory an Event has told of.
	told map[string]bool
}

func newPodState(pod *corev1.Pod) *podState {
	return &podState{pod: pod, inForce: map[string]corev1.ResourceRequirements{}, resizes: map[string]backoff.Try{},
		pulls: map[string]images.Pull{}, starts: map[string]backoff.Try{}, backOffs: map[string]backoff.BackOff{},
		stopping: map[string]time.Time{}, cancel: map[string]context.CancelFunc{},
		hooks: map[string]Hook{}, preStops: map[string]context.CancelFunc{}, words: map[string]string{}, told: map[string]bool{}, unannounced: map[string]bool{}, probed: map[string]probes.Running{}}
}

// see takes the pod if it is not older than the one that is known: the answer to a write may overtake the watch.
func (e *podState) see(pod *corev1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if older(pod, e.pod) {
		return
	}
	// Volumes may tell of these. Without files there is nothing to look at again.
	e.stale = e.stale || e.files && !(maps.Equal(pod.Labels, e.pod.Labels) && maps.Equal(pod.Annotations, e.pod.Annotations))
	e.pod = pod
}

func older(a, b *corev1.Pod) bool {
	x, errA := strconv.ParseUint(a.ResourceVersion, 10, 64)
	y, errB := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errA == nil && errB == nil && x < y
}

// observe is the pod and what Next and PodStatus need to know of it. The maps are copies.
func (e *podState) observe(running runtime.Pod) (*corev1.Pod, Observed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := Observed{
		Runtime: running, Gone: e.gone, Volumes: e.volumes, Sandbox: e.sandbox, Stale: e.stale, Files: e.files,
		Pulls: maps.Clone(e.pulls), Starts: maps.Clone(e.starts), BackOffs: maps.Clone(e.backOffs),
		Stopping: maps.Clone(e.stopping), Hooks: maps.Clone(e.hooks),
	}
	if e.granted != nil {
		o.Resize = &resize.State{Granted: maps.Clone(e.granted), InForce: maps.Clone(e.inForce), Tries: maps.Clone(e.resizes)}
	}
	o.Last = e.pod.Status
	if e.last != nil {
		o.Last = *e.last
	}
	// Others may end a pod, for example on a node that was late: then it has ended.
	if status := e.pod.Status; terminal(status.Phase) && !terminal(o.Last.Phase) {
		o.Last.Phase, o.Last.Reason, o.Last.Message = status.Phase, status.Reason, status.Message
	}
	return e.pod, o
}

// remember keeps the status as the newest computed one and forgets what is about containers that are no more.
func (e *podState) remember(status corev1.PodStatus, running runtime.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = &status
	e.podIP = running.Sandbox.IP()
	ids := map[string]bool{}
	clear(e.probed)
	for _, c := range running.Containers {
		ids[c.ID] = true
		if c.State == runtime.Running {
			e.probed[c.Name] = probes.Running{ID: c.ID, At: c.StartedAt}
		}
	}
	maps.DeleteFunc(e.stopping, func(id string, _ time.Time) bool { return !ids[id] })
	maps.DeleteFunc(e.inForce, func(id string, _ corev1.ResourceRequirements) bool { return !ids[id] })
	maps.DeleteFunc(e.resizes, func(id string, _ backoff.Try) bool { return !ids[id] })
	maps.DeleteFunc(e.hooks, func(id string, _ Hook) bool { return !ids[id] })
	maps.DeleteFunc(e.told, func(id string, _ bool) bool { return !ids[id] })
	maps.DeleteFunc(e.words, func(id string, _ string) bool { return !ids[id] })
	maps.DeleteFunc(e.unannounced, func(id string, _ bool) bool { return !ids[id] })
}

// target is the container with this ID as a probe needs it; it is false where that does not run, or was asked to end.
func (e *podState) target(name, id string) (probes.Target, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, stopping := e.stopping[id]
	c, running := runtime.ContainerOf(e.pod, name), e.probed[name]
	return probes.Target{Pod: e.pod, Container: c, IP: e.podIP, At: running.At}, c != nil && running.ID == id && !stopping
}

// runs are the pod's running containers, by name.
func (e *podState) runs() map[string]probes.Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.probed)
}

// snapshot is the pod with the newest status computed.
func (e *podState) snapshot() *corev1.Pod {
	e.mu.Lock()
	defer e.mu.Unlock()
	pod := e.pod.DeepCopy()
	if e.last != nil {
		pod.Status = *e.last.DeepCopy()
	}
	return pod
}
