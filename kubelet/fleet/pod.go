package fleet

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"minik.dev/kubelet"
	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// brief is how long a state must last to be reported: what passes sooner is not worth a write.
const brief = 250 * time.Millisecond

// maxSteps bounds one look at a pod, as for a kubelet.
const maxSteps = 64

// Place is what a pod's node has for it.
type Place struct {
	// HostIPs are the node's own addresses, IP the one that the node keeps for the pod, or else why it has none.
	HostIPs []string
	IP      string
	NoIP    string
	// Images are patterns of images that exist although they would be refused.
	Images []string
}

// State is what there is of one pod beside its API object: the simulated containers, and what a kubelet would
// remember. The zero value is a pod of which nothing runs: what its status says of running containers is lost.
type State struct {
	last    *corev1.PodStatus // the newest computed; nil where that is what the API has
	runtime runtime.Pod
	mounted bool
	// sandboxes counts those that were made.
	sandboxes int
	sandbox   backoff.Try
	pulls     map[string]images.Pull
	starts    map[string]backoff.Try
	backOffs  map[string]backoff.BackOff
	probes    map[string]probes.Results
	stopping  map[string]time.Time // by container ID: when it is killed at the latest
	// pulled are when the pulls that are under way are over, by container; begins and ends when a container begins to
	// run and ends because it was asked to, by ID.
	pulled, begins map[string]time.Time
	ends           map[string]end
}

// end is how a container that was asked to end will have ended.
type end struct {
	at   time.Time
	code int32
}

// HasIP says that the pod needs its address.
func (s State) HasIP() bool { return s.runtime.Sandbox.ID != "" && s.runtime.Sandbox.Ready }

func (s State) clone() State {
	s.runtime.Containers = slices.Clone(s.runtime.Containers)
	s.pulls, s.starts, s.backOffs = maps.Clone(s.pulls), maps.Clone(s.starts), maps.Clone(s.backOffs)
	s.stopping, s.ends = maps.Clone(s.stopping), maps.Clone(s.ends)
	s.pulled, s.begins = maps.Clone(s.pulled), maps.Clone(s.begins)
	return s
}

// Event is a warning to tell of, about one of the pod's containers unless that is empty.
type Event struct{ Container, Reason, Message string }

// Step is what is to be done about a pod, and when to look again.
type Step struct {
	// Status is what there is to report; Report says that it is worth a write, Reason what is new in it.
	Status corev1.PodStatus
	Report bool
	Reason string
	// Delete says that nothing is left of the pod but its API object, Forget that not even that is.
	Delete, Forget bool
	Events         []Event
	// Next is when the pod changes by itself; zero means never.
	Next time.Time
}

// Advance carries a pod on to now. gone says that its API object is no more.
//
// It plays a kubelet's loop (observe, take the next step, until the step is to wait) on containers that are only
// known by when they begin and end. It changes nothing: the new state is returned.
func Advance(pod *corev1.Pod, gone bool, place Place, state State, now time.Time) (State, Step) {
	w := &walk{pod: pod, place: place, now: now, State: state.clone()}
	for range maxSteps {
		w.elapse()
		o := w.observe(gone)
		status := kubelet.PodStatus(pod, o, place.HostIPs, now)
		w.tell(o.Last, status)
		w.last = &status
		action := kubelet.Next(pod, o, now)
		switch action.Kind {
		case kubelet.Wait:
			w.step.Status = status
			w.step.Next = earlier(action.Until, w.next())
			w.settle(gone, action.Reason)
			return w.State, w.step
		case kubelet.DeletePod:
			w.step.Status, w.step.Delete = status, true
			// Whoever has a finalizer on the pod wants to know how it ended.
			w.step.Report = len(pod.Finalizers) > 0 && !equality.Semantic.DeepEqual(pod.Status, status)
			w.step.Reason = action.Reason
			return w.State, w.step
		case kubelet.Forget:
			w.step.Forget, w.step.Reason = true, action.Reason
			return w.State, w.step
		}
		w.do(o, action)
	}
	w.step.Next = now
	return w.State, w.step
}

// walk is one Advance under way.
type walk struct {
	State
	pod   *corev1.Pod
	place Place
	now   time.Time
	step  Step
}

// settle says whether the status is to be reported now, or is over in a moment anyway.
func (w *walk) settle(gone bool, reason string) {
	w.step.Reason = reason
	if equality.Semantic.DeepEqual(w.pod.Status, w.step.Status) {
		w.last = nil
		return
	}
	if gone {
		return
	}
	passing := !w.step.Next.IsZero() && w.step.Next.Sub(w.now) < brief
	w.step.Report = !passing
	if w.step.Report {
		w.step.Reason = kubelet.StatusReason(w.pod.Status, w.step.Status)
	}
}

// observe is what a kubelet would see.
func (w *walk) observe(gone bool) kubelet.Observed {
	o := kubelet.Observed{
		Runtime: w.runtime, Last: w.pod.Status, Gone: gone, Volumes: backoff.Try{Done: w.mounted}, Sandbox: w.sandbox,
		Pulls: w.pulls, Starts: w.starts, BackOffs: w.backOffs, Probes: w.probes, Stopping: w.stopping,
	}
	if w.last != nil {
		o.Last = *w.last
	}
	// Others may end a pod, for example on a node that was late: then it has ended.
	if status := w.pod.Status; ended(status.Phase) && !ended(o.Last.Phase) {
		o.Last.Phase, o.Last.Reason, o.Last.Message = status.Phase, status.Reason, status.Message
	}
	return o
}

// script is how the attempt at the container goes. Its random delays are the same each time.
func (w *walk) script(c *corev1.Container, attempt int32) (sim.Script, error) {
	n := uint64(0)
	return sim.ReadScript(w.pod, c, attempt, w.place.Images, func(most time.Duration) time.Duration {
		n++
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(string(w.pod.UID) + c.Name + strconv.Itoa(int(attempt)) + "/" + strconv.FormatUint(n, 10)))
		return time.Duration(sum.Sum64() % uint64(most+1))
	})
}

// elapse lets happen what was to happen by now.
func (w *walk) elapse() {
	pulls := slices.SortedFunc(maps.Keys(w.pulled), func(a, b string) int {
		return cmp.Or(w.pulled[a].Compare(w.pulled[b]), cmp.Compare(a, b))
	})
	for _, name := range pulls {
		if !w.pulled[name].After(w.now) {
			w.endPull(name)
		}
	}
	before := w.probes
	w.probes = nil
	for i := range w.runtime.Containers {
		c := &w.runtime.Containers[i]
		if at, ok := w.begins[c.ID]; ok && c.State == runtime.Starting && !at.After(w.now) {
			c.State, c.StartedAt = runtime.Running, at
		}
		if e := w.endOf(c); c.State == runtime.Running && !e.at.IsZero() && !e.at.After(w.now) {
			c.State, c.FinishedAt, c.ExitCode = runtime.Exited, e.at, e.code
		}
		if c.State == runtime.Running {
			w.probe(c)
		}
	}
	w.unhealthy(before)
}

// endOf is how a running container will end; the time is zero where it will not.
func (w *walk) endOf(c *runtime.Container) end {
	out := w.ends[c.ID]
	spec := container(w.pod, c.Name)
	if spec == nil || c.State != runtime.Running {
		return out
	}
	s, _ := w.script(spec, c.Attempt)
	if byItself := c.StartedAt.Add(s.RunsFor); s.Ends && (out.at.IsZero() || byItself.Before(out.at)) {
		return end{byItself, s.ExitCode}
	}
	return out
}

// next is when the containers change by themselves.
func (w *walk) next() time.Time {
	var at time.Time
	for _, t := range w.pulled {
		at = earlier(at, t)
	}
	for i := range w.runtime.Containers {
		switch c := &w.runtime.Containers[i]; c.State {
		case runtime.Starting:
			at = earlier(at, w.begins[c.ID])
		case runtime.Running:
			at = earlier(at, earlier(w.endOf(c).at, w.turnOf(c)))
		}
	}
	return at
}

// endPull notes how a pull has ended.
func (w *walk) endPull(key string) {
	delete(w.pulled, key)
	c, wanted := w.wants(key)
	pull := w.pulls[key]
	if c == nil || pull.Image != wanted.Image {
		delete(w.pulls, key)
		return
	}
	_, err := images.FullName(wanted.Image)
	if err == nil {
		s, _ := w.script(c, 0) // an error is told when the container starts
		err = s.Missing(wanted)
	}
	if err == nil {
		w.pulls[key] = images.Pull{Try: backoff.Try{Done: true}, Image: wanted.Image, ImageID: sim.ImageID(wanted.Image)}
		return
	}
	w.pulls[key] = pull.Failed(err, w.now)
	about := wanted.Container
	if wanted.Volume != "" {
		about = "" // as upstream, Events tell of the pod
	}
	w.event(about, "Failed", "Failed to pull image \""+wanted.Image+"\": "+err.Error())
	w.event(about, "Failed", "Error: "+w.pulls[key].Reason)
}

// wants is the container that needs the image with this key; nil where none does any more.
func (w *walk) wants(key string) (*corev1.Container, images.Wanted) {
	name, _, _ := strings.Cut(key, "/")
	c := container(w.pod, name)
	if c == nil {
		return nil, images.Wanted{}
	}
	all := images.WantedBy(w.pod, c)
	at := slices.IndexFunc(all, func(wanted images.Wanted) bool { return wanted.Key() == key })
	if at < 0 {
		return nil, images.Wanted{}
	}
	return c, all[at]
}

func (w *walk) event(container, reason, message string) {
	w.step.Events = append(w.step.Events, Event{container, reason, message})
}

func ended(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

// earlier is the earlier of two times where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// container is the pod's container of that name, or nil.
func container(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		if pod.Spec.EphemeralContainers[i].Name == name {
			return (*corev1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		}
	}
	return nil
}
