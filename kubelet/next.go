package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/backoff"
	"minik.dev/kubelet/images"
	"minik.dev/kubelet/resize"
	"minik.dev/kubelet/runtime"
)

// ActionKind is what a step does.
type ActionKind string

// The kinds of step.
const (
	// Wait does nothing until something changes, or until Action.Until where it is set.
	Wait ActionKind = "Wait"
	// MountVolumes makes ready what the pod mounts.
	MountVolumes ActionKind = "MountVolumes"
	// StartSandbox makes what the containers share.
	StartSandbox ActionKind = "StartSandbox"
	// PullImage makes Action.Image ready, which the container needs, in the background.
	PullImage ActionKind = "PullImage"
	// StartContainer starts the container's attempt Action.Attempt.
	StartContainer ActionKind = "StartContainer"
	// RunPostStart runs the postStart hook of the container Action.ID, in the background.
	RunPostStart ActionKind = "RunPostStart"
	// GrantResources gives the pod's containers the cpu and memory that its spec asks for by now.
	GrantResources ActionKind = "GrantResources"
	// ResizeContainer gives the running container Action.ID the resources of Action.Container.
	ResizeContainer ActionKind = "ResizeContainer"
	// StopContainer asks the container Action.ID to end within Action.Grace.
	StopContainer ActionKind = "StopContainer"
	// StopSandbox gives back what the containers of a pod that has finished shared; their logs stay.
	StopSandbox ActionKind = "StopSandbox"
	// RemoveVolumes removes what the pod has kept on the node: its emptyDirs and its files.
	RemoveVolumes ActionKind = "RemoveVolumes"
	// Remove forgets the container or sandbox Action.ID.
	Remove ActionKind = "Remove"
	// DeletePod deletes the API object: nothing of the pod is left on the node.
	DeletePod ActionKind = "DeletePod"
	// Forget ends the work on a pod of which neither object nor container is left.
	Forget ActionKind = "Forget"
)

// Action is the one next step for a pod.
type Action struct {
	Kind ActionKind
	// Container is the spec's container that the step is about, Attempt the number of the start.
	Container *corev1.Container
	Attempt   int32
	Image     images.Wanted
	// ID is the container or sandbox that is stopped or removed, Grace what it is given.
	ID    string
	Grace time.Duration
	// Until is when a waiting pod is looked at again; zero means when something changes.
	Until time.Time
	// Reason is the sentence of the decision. Event is the message of the Event that tells of a stop.
	Reason, Event string
}

// Next is the one next step for the pod. Carried out and observed again, it leads from any state to the one that the
// spec and the restart policy ask for, and never to two running attempts of one container.
func Next(pod *corev1.Pod, o Observed, now time.Time) Action {
	inits, mains := views(pod, o)
	if e := ending(pod, o, inits, mains, now); e != nil {
		return wind(o, inits, slices.Concat(mains, ephemerals(pod, o)), e, now)
	}
	a := advance(pod, o, inits, mains, now)
	if o.Runtime.Sandbox.Ready {
		d := debug(pod, o, now)
		if d.Kind != Wait {
			return d
		}
		if a.Kind == Wait {
			a.Until = earlier(a.Until, d.Until)
		}
	}
	if at := deadline(pod, o); a.Kind == Wait && !at.IsZero() {
		a.Until = earlier(a.Until, at)
	}
	return a
}

// advance is the next step for a pod that shall run: sandbox, init containers in order, containers.
func advance(pod *corev1.Pod, o Observed, inits, mains []view, now time.Time) Action {
	box := o.Runtime.Sandbox
	switch {
	case box.ID != "" && !box.Ready:
		return Action{Kind: Remove, ID: box.ID,
			Reason: fmt.Sprintf("sandbox %s is dead, so the whole pod is made anew", box.ID)}
	case box.ID == "" && !o.Volumes.Done:
		if wait := waits(o.Volumes, now, "mounting the volumes"); wait != nil {
			return *wait
		}
		return Action{Kind: MountVolumes, Reason: fmt.Sprintf("pod has %d volumes to mount", len(pod.Spec.Volumes))}
	case box.ID == "":
		if wait := waits(o.Sandbox, now, "starting the sandbox"); wait != nil {
			return *wait
		}
		return Action{Kind: StartSandbox, Reason: "pod has no sandbox"}
	case o.Stale && waits(o.Volumes, now, "mounting the volumes") == nil:
		return Action{Kind: MountVolumes, Reason: "what the pod's volumes are made of may have changed"}
	}
	if reason, ok := o.Resize.Grant(pod, o.Last); ok {
		return Action{Kind: GrantResources, Reason: reason}
	}
	wait := Action{Kind: Wait, Reason: "every container is as the spec asks"}
	if o.Stale {
		wait.Until = o.Volumes.RetryAt
	}
	done := initialized(mains)
	for i, v := range inits {
		if done && !v.sidecar {
			continue
		}
		a := step(pod, o, v, now)
		if done {
			if a.Kind != Wait {
				return a
			}
			wait.Until = earlier(wait.Until, a.Until)
			continue
		}
		if end := v.end(); !v.sidecar && v.current != nil && end != nil && end.code == 0 {
			continue
		}
		if v.sidecar && v.running() && o.probes(v).Started(v.spec) && a.Kind == Wait {
			wait.Until = earlier(wait.Until, a.Until)
			continue
		}
		if a.Kind == Wait {
			a.Reason = fmt.Sprintf("init container %s (%d of %d): %s", v.spec.Name, i+1, len(inits), a.Reason)
			a.Until = earlier(a.Until, earlier(waitsEnd(pod, o, inits[i+1:], now), waitsEnd(pod, o, mains, now)))
		}
		return a
	}
	for i, v := range mains {
		a := step(pod, o, v, now)
		if a.Kind != Wait {
			return a
		}
		if !a.Until.IsZero() || !v.running() || o.stopping(v, now) != nil {
			wait.Reason = a.Reason
		}
		wait.Until = earlier(wait.Until, a.Until)
		if v.current != nil && v.alive() && !o.Hooks[v.current.ID].over() {
			wait.Reason = a.Reason
			wait.Until = earlier(wait.Until, waitsEnd(pod, o, mains[i+1:], now))
			break // as upstream, the next container is started after the hook
		}
	}
	return wait
}

// waitsEnd is when the first of the containers no longer waits for what it says it waits for. It is not its turn, so that
// nothing follows from it but another status.
func waitsEnd(pod *corev1.Pod, o Observed, others []view, now time.Time) time.Time {
	var first time.Time
	for _, v := range others {
		if a := step(pod, o, v, now); a.Kind == Wait {
			first = earlier(first, a.Until)
		}
	}
	return first
}

// step is the next step for one container that it is the turn of.
func step(pod *corev1.Pod, o Observed, v view, now time.Time) Action {
	name := v.spec.Name
	if v.alive() {
		return mind(pod, o, v, now)
	}
	reason := fmt.Sprintf("container %s was never started", name)
	if end := v.end(); end != nil {
		// An init container that is lost runs again in the new sandbox, however it ended in the old one.
		if again := v.restarts(pod, end) || (v.init && v.lost()); !again {
			return Action{Kind: Wait, Reason: fmt.Sprintf("container %s exited with code %d and restartPolicy is %s",
				name, end.code, pod.Spec.RestartPolicy)}
		}
		if at := o.BackOffs[name].Until(end.at); at.After(now) && v.current != nil {
			return Action{Kind: Wait, Until: at, Reason: fmt.Sprintf("container %s: back-off %s restarting, %s left",
				name, o.BackOffs[name].Delay, at.Sub(now).Round(time.Second))}
		}
		reason = fmt.Sprintf("container %s exited with code %d and restartPolicy is %s", name, end.code, policyOf(pod, v))
		if v.current == nil {
			reason = fmt.Sprintf("container %s is gone with its sandbox, having ended with code %d", name, end.code)
		}
	}
	if v.again {
		reason = fmt.Sprintf("container %s was ended so that it starts with %s", name, resize.Shown(v.spec.Resources))
	}
	if v.previous != nil {
		oldest := o.oldest(name)
		return Action{Kind: Remove, ID: oldest.ID, Container: v.spec,
			Reason: fmt.Sprintf("container %s keeps one earlier attempt, %d is older", name, oldest.Attempt)}
	}
	if wait := waits(o.Starts[name], now, "starting container "+name); wait != nil {
		return *wait
	}
	for _, wanted := range images.WantedBy(pod, v.spec) {
		if a := pullStep(o, v, wanted, reason, now); a != nil {
			return *a
		}
	}
	return Action{Kind: StartContainer, Container: v.spec, Attempt: v.attempt(), Reason: reason}
}

// pullStep is the next step for an image that the container cannot start without; nil where the image is there.
func pullStep(o Observed, v view, wanted images.Wanted, reason string, now time.Time) *Action {
	switch pull := o.pull(wanted); {
	case pull.Done:
		return nil
	case pull.Active:
		return &Action{Kind: Wait, Reason: fmt.Sprintf("image %q is being pulled", wanted.Image)}
	default:
		if wait := waits(pull.Try, now, fmt.Sprintf("pulling image %q", wanted.Image)); wait != nil {
			if shown := pull.BacksOffAt(); shown.After(now) {
				wait.Until = earlier(wait.Until, shown)
			}
			return wait
		}
	}
	use := ""
	if wanted.Volume != "" {
		use = " for volume " + wanted.Volume
	}
	return &Action{Kind: PullImage, Container: v.spec, Image: wanted,
		Reason: fmt.Sprintf("%s, which needs image %q%s", reason, wanted.Image, use)}
}

// mind is the next step for a container that runs: to stop it where its image has changed or a probe says so.
func mind(pod *corev1.Pod, o Observed, v view, now time.Time) Action {
	if wait := o.stopping(v, now); wait != nil {
		return *wait
	}
	if hook := o.postStart(pod, v); hook != nil {
		return *hook
	}
	kind, failure := o.probes(v).Fatal()
	if !v.running() || failure == "" && !v.outdated(pod) {
		if change := resizeStep(pod, o, v, now); v.running() && change != nil {
			return *change
		}
		return Action{Kind: Wait, Reason: fmt.Sprintf("container %s is %s", v.spec.Name, v.current.State)}
	}
	if v.outdated(pod) {
		return Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: podGrace(pod),
			Reason: fmt.Sprintf("container %s runs image %q and its spec asks for %q", v.spec.Name, v.current.Image, v.spec.Image),
			Event:  fmt.Sprintf("Container %s definition changed, will be restarted", v.spec.Name)}
	}
	return Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: probeGrace(pod, v.spec, kind),
		Reason: fmt.Sprintf("container %s: %s", v.spec.Name, failure),
		Event:  fmt.Sprintf("Container %s failed %s probe, will be restarted", v.spec.Name, strings.ToLower(string(kind)))}
}

// resizeStep brings into force what a running container was granted, without or with a restart; nil where it is.
func resizeStep(pod *corev1.Pod, o Observed, v view, now time.Time) *Action {
	reason, restart, ok := o.Resize.Change(o.resizing(v))
	if !ok {
		return nil
	}
	if restart != "" {
		return &Action{Kind: StopContainer, Container: v.spec, ID: v.current.ID, Grace: podGrace(pod),
			Reason: fmt.Sprintf("%s; its resizePolicy for %s is %s", reason, restart, corev1.RestartContainer),
			Event:  fmt.Sprintf("Container %s resize requires restart", v.spec.Name)}
	}
	if wait := waits(o.Resize.Tries[v.current.ID], now, "resizing container "+v.spec.Name); wait != nil {
		return wait
	}
	return &Action{Kind: ResizeContainer, Container: v.spec, ID: v.current.ID, Reason: reason}
}

// stopping is a Wait for a container that was asked to end; nil where it was not.
func (o Observed) stopping(v view, now time.Time) *Action {
	if v.current == nil {
		return nil
	}
	by, asked := o.Stopping[v.current.ID]
	if !asked || v.current.State == runtime.Exited {
		return nil
	}
	return &Action{Kind: Wait, Reason: fmt.Sprintf("container %s is stopping, %s left",
		v.spec.Name, max(by.Sub(now), 0).Round(time.Second))}
}

// waits is a Wait for the next try, or nil where it is time to try.
func waits(t backoff.Try, now time.Time, what string) *Action {
	if t.Reason == "" || !t.RetryAt.After(now) {
		return nil
	}
	return &Action{Kind: Wait, Until: t.RetryAt, Reason: fmt.Sprintf("%s failed (%s), tried again in %s",
		what, t.Message, t.RetryAt.Sub(now).Round(time.Second))}
}

func (o Observed) oldest(name string) *runtime.Container {
	var out *runtime.Container
	for i, c := range o.Runtime.Containers {
		if c.Name == name && (out == nil || c.Attempt < out.Attempt) {
			out = &o.Runtime.Containers[i]
		}
	}
	return out
}

func policyOf(pod *corev1.Pod, v view) corev1.RestartPolicy {
	if v.sidecar {
		return corev1.RestartPolicyAlways
	}
	return pod.Spec.RestartPolicy
}

// earlier is the earlier of two times where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
