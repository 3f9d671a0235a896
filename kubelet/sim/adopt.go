package sim

import (
	"context"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// Adopt is runtime.Adopter's: it rebuilds from the pods' status what an earlier process simulated. Containers that were
// running are running, those that had ended have ended, with their IDs and restart counts; a pod whose address is taken
// or no longer the node's is left to be made anew, and so is one none of whose containers had been started. Logs and
// resolved environments are lost.
func (r *Runtime) Adopt(_ context.Context, pods []*corev1.Pod) error {
	defer r.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, object := range pods {
		phase := object.Status.Phase
		if phase == corev1.PodSucceeded || phase == corev1.PodFailed || r.pods[object.UID] != nil {
			continue
		}
		r.adopt(object)
	}
	return nil
}

func (r *Runtime) adopt(object *corev1.Pod) {
	p := &pod{object: object}
	for i := range object.Spec.InitContainers {
		p.add(r, &object.Spec.InitContainers[i], object.Status.InitContainerStatuses)
	}
	for i := range object.Spec.Containers {
		p.add(r, &object.Spec.Containers[i], object.Status.ContainerStatuses)
	}
	for i := range object.Spec.EphemeralContainers {
		p.add(r, (*corev1.Container)(&object.Spec.EphemeralContainers[i].EphemeralContainerCommon),
			object.Status.EphemeralContainerStatuses)
	}
	ip, err := netip.ParseAddr(object.Status.PodIP)
	if len(p.containers) == 0 || err != nil {
		return
	}
	switch {
	case object.Spec.HostNetwork:
		ip = r.addresses.Node() // whatever the status says, which others write
	case !r.addresses.Claim(ip):
		return
	default:
		p.address = ip
	}
	p.sandbox = runtime.Sandbox{ID: identify("sandbox", object.UID, "adopted"), Ready: true, IPs: []string{ip.String()},
		CreatedAt: r.options.Clock.Now()}
	r.pods[object.UID] = p
	for _, c := range p.containers {
		r.containers[c.ID] = c
		r.images[c.Image] = c.behaviour.size()
		if c.State == runtime.Running {
			r.begin(c, c.StartedAt)
		}
	}
}

// add adds the container as its status says, if it was ever started.
func (p *pod) add(r *Runtime, spec *corev1.Container, statuses []corev1.ContainerStatus) {
	for _, s := range statuses {
		if s.Name != spec.Name || s.ContainerID == "" {
			continue
		}
		b, err := behaviourOf(p.object, spec)
		if err != nil {
			return
		}
		c := &container{pod: p, spec: spec, behaviour: b, log: &log{},
			Container: runtime.Container{ID: s.ContainerID, Name: s.Name, Attempt: s.RestartCount, Image: spec.Image,
				ImageID: s.ImageID, State: runtime.Exited, CreatedAt: r.options.Clock.Now()}}
		ended := s.State.Terminated
		if ended == nil && s.State.Running == nil {
			ended = s.LastTerminationState.Terminated
		}
		switch {
		case s.State.Running != nil:
			c.State, c.StartedAt = runtime.Running, s.State.Running.StartedAt.Time
		case ended != nil:
			c.StartedAt, c.FinishedAt = ended.StartedAt.Time, ended.FinishedAt.Time
			c.ExitCode, c.Reason, c.Message = ended.ExitCode, ended.Reason, ended.Message
			c.log.close()
		default:
			return
		}
		if c.StartedAt.IsZero() {
			c.StartedAt = time.Unix(0, 0)
		}
		p.containers = append(p.containers, c)
		return
	}
}
