package fleet

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet"
	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// do carries one step out on the simulated pod.
func (w *walk) do(o kubelet.Observed, a kubelet.Action) {
	switch a.Kind {
	case kubelet.MountVolumes:
		w.mounted = true
	case kubelet.StartSandbox:
		w.startSandbox()
	case kubelet.PullImage:
		w.pull(a.Container, a.Image)
	case kubelet.StartContainer:
		w.start(o, a)
	case kubelet.StopContainer:
		w.stop(a)
	case kubelet.StopSandbox:
		w.runtime.Sandbox.Ready = false
	case kubelet.Remove:
		w.remove(a)
	}
}

func (w *walk) startSandbox() {
	ip := w.place.IP
	if w.pod.Spec.HostNetwork && len(w.place.HostIPs) > 0 {
		ip = w.place.HostIPs[0]
	}
	w.sandbox = backoff.Try{}
	if ip == "" && !w.pod.Spec.HostNetwork {
		w.sandbox = w.failed("FailedCreatePodSandBox", w.place.NoIP)
		w.event("", "FailedCreatePodSandBox", "Failed to create pod sandbox: "+w.place.NoIP)
		return
	}
	w.sandboxes++
	box := runtime.Sandbox{Ready: true, CreatedAt: w.now,
		ID: sim.Identify("sandbox", w.pod.UID, w.sandboxes, w.now.UnixNano())}
	if ip != "" {
		box.IPs = []string{ip}
	}
	w.runtime.Sandbox = box
}

// failed is a try that failed now.
func (w *walk) failed(reason, message string) backoff.Try {
	return backoff.Try{Reason: reason, Message: message, RetryAt: w.now.Add(backoff.Retry)}
}

// pull begins a pull. An image that a container has had before is there.
func (w *walk) pull(c *corev1.Container, wanted images.Wanted) {
	key := wanted.Key()
	if w.pulls == nil {
		w.pulls = map[string]images.Pull{}
	}
	if w.pulled == nil {
		w.pulled = map[string]time.Time{}
	}
	for _, list := range [][]corev1.ContainerStatus{w.last.ContainerStatuses, w.last.InitContainerStatuses,
		w.last.EphemeralContainerStatuses} {
		for _, s := range list {
			if s.Name == key && s.Image == wanted.Image && s.ImageID != "" && wanted.Policy != corev1.PullAlways {
				w.pulls[key] = images.Pull{Try: backoff.Try{Done: true}, Image: wanted.Image, ImageID: s.ImageID}
				return
			}
		}
	}
	before := w.pulls[key]
	if before.Image != wanted.Image {
		before = images.Pull{}
	}
	s, _ := w.script(c, 0)
	before.Active, before.Image = true, wanted.Image
	w.pulls[key] = before
	delay := s.PullDelay
	if wanted.Policy == corev1.PullNever {
		delay = 0 // nobody is asked
	}
	w.pulled[key] = w.now.Add(delay)
}

func (w *walk) start(o kubelet.Observed, a kubelet.Action) {
	c := a.Container
	imageID := w.pulls[images.Own(c).Key()].ImageID
	for _, wanted := range images.WantedBy(w.pod, c) {
		delete(w.pulls, wanted.Key())
	}
	s, err := w.script(c, a.Attempt)
	if err != nil {
		if w.starts == nil {
			w.starts = map[string]backoff.Try{}
		}
		w.starts[c.Name] = w.failed("CreateContainerError", err.Error())
		w.event(c.Name, "Failed", "Error: "+err.Error())
		return
	}
	delete(w.starts, c.Name)
	for _, earlier := range o.Runtime.Containers {
		if earlier.Name == c.Name && earlier.Attempt == a.Attempt-1 {
			if w.backOffs == nil {
				w.backOffs = map[string]backoff.BackOff{}
			}
			w.backOffs[c.Name] = w.backOffs[c.Name].Restarted(earlier.FinishedAt, w.now)
		}
	}
	id := sim.Identify(w.pod.UID, c.Name, a.Attempt, w.runtime.Sandbox.ID)
	w.runtime.Containers = append(w.runtime.Containers, runtime.Container{ID: id, Name: c.Name, Attempt: a.Attempt,
		Image: c.Image, ImageID: imageID, State: runtime.Starting, CreatedAt: w.now})
	if w.begins == nil {
		w.begins = map[string]time.Time{}
	}
	w.begins[id] = w.now.Add(s.StartDelay)
}

// stop asks a container to end: at once, after its stop-delay, or killed when its grace is over.
func (w *walk) stop(a kubelet.Action) {
	if w.stopping == nil {
		w.stopping = map[string]time.Time{}
	}
	w.stopping[a.ID] = w.now.Add(a.Grace)
	i := slices.IndexFunc(w.runtime.Containers, func(c runtime.Container) bool { return c.ID == a.ID })
	if i < 0 {
		return
	}
	c := &w.runtime.Containers[i]
	s, _ := w.script(a.Container, c.Attempt)
	e := end{w.now.Add(s.StopDelay), 0}
	if s.StopDelay > a.Grace {
		e = end{w.now.Add(a.Grace), killed}
	}
	if c.State == runtime.Starting {
		c.State, c.StartedAt, c.FinishedAt, c.ExitCode = runtime.Exited, w.now, w.now, killed
		return
	}
	if w.ends == nil {
		w.ends = map[string]end{}
	}
	if before, asked := w.ends[a.ID]; !asked || e.at.Before(before.at) {
		w.ends[a.ID] = e
	}
}

// killed is the code of a container that was killed.
const killed = 137

// remove forgets a container, or the sandbox: then the pod begins anew.
func (w *walk) remove(a kubelet.Action) {
	if a.Container == nil {
		w.State = State{last: w.last, sandboxes: w.sandboxes}
		return
	}
	w.runtime.Containers = slices.DeleteFunc(w.runtime.Containers, func(c runtime.Container) bool { return c.ID == a.ID })
	delete(w.stopping, a.ID)
	delete(w.begins, a.ID)
	delete(w.ends, a.ID)
}

// tell emits what a kubelet warns of when a container has begun to wait for a back-off.
func (w *walk) tell(last, now corev1.PodStatus) {
	for _, lists := range [][2][]corev1.ContainerStatus{
		{last.InitContainerStatuses, now.InitContainerStatuses}, {last.ContainerStatuses, now.ContainerStatuses},
		{last.EphemeralContainerStatuses, now.EphemeralContainerStatuses},
	} {
		for _, s := range lists[1] {
			if s.State.Waiting == nil || waiting(lists[0], s.Name) == s.State.Waiting.Reason {
				continue
			}
			switch s.State.Waiting.Reason {
			case "CrashLoopBackOff":
				w.event(s.Name, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s",
					s.Name, runtime.PodRef(w.pod)))
			case "ImagePullBackOff":
				w.event(s.Name, "Failed", "Error: ImagePullBackOff")
			}
		}
	}
}

func waiting(statuses []corev1.ContainerStatus, name string) string {
	for _, s := range statuses {
		if s.Name == name && s.State.Waiting != nil {
			return s.State.Waiting.Reason
		}
	}
	return ""
}
