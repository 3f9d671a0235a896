package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// What is waited before an engine that is gone is asked again: doubled each time, up to the most.
const (
	firstRetry = 100 * time.Millisecond
	mostRetry  = 5 * time.Second
)

// inspections bounds how many containers are looked at at the same time.
const inspections = 8

var errNotListed = errors.New("the node's containers are not listed yet")

// Run is runtime.Runtime's. It follows the engine's events, listing everything whenever it has to connect again, and kills
// what has not ended in time.
func (r *Runtime) Run(ctx context.Context, changed func(types.UID)) error {
	r.unbind() // what a killed kubelet has left
	defer r.unbind()
	r.mu.Lock()
	r.changed = changed
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.changed = nil
		r.mu.Unlock()
		r.turn(errNotListed)
	}()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { r.killer(ctx); return nil })
	group.Go(func() error {
		for delay := firstRetry; ctx.Err() == nil; delay = min(2*delay, mostRetry) {
			if followed := r.follow(ctx); followed {
				delay = firstRetry
			}
			select {
			case <-r.options.Clock.After(delay):
			case <-ctx.Done():
			}
		}
		return nil
	})
	return group.Wait()
}

// follow lists the node's containers and follows their changes until the engine or ctx ends that. It says whether it got
// as far as following.
func (r *Runtime) follow(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := r.ours()
	args.Add("type", string(events.ContainerEventType))
	messages, failed := r.engine.client.Events(ctx, events.ListOptions{Filters: args})
	err := r.list(ctx)
	if err == nil {
		r.turn(nil)
		err = r.listen(ctx, messages, failed)
	}
	if ctx.Err() != nil {
		return true
	}
	r.log.Warn("the engine is asked again", "error", err)
	return r.turn(fmt.Errorf("the engine does not answer: %w", err))
}

// listen takes in events. Each container is looked at again; what the event says of it may be old by now. A look that fails
// ends it, as what was missed would stay missed: listing everything makes up for it.
func (r *Runtime) listen(ctx context.Context, messages <-chan events.Message, failed <-chan error) (err error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	defer func() { err = errors.Join(err, group.Wait()) }()
	for {
		select {
		case m := <-messages:
			if strings.HasPrefix(string(m.Action), "exec_") { // of no container's state
				continue
			}
			group.Go(func() error { return r.refresh(inner, m.Actor.ID) })
		case err := <-failed:
			return err
		case <-inner.Done(): // a look has failed, and Wait tells which; or ctx is done
			return ctx.Err()
		}
	}
}

// list looks at everything that is this node's.
func (r *Runtime) list(ctx context.Context) error {
	r.mu.Lock()
	gone := map[string]bool{}
	for id := range r.containers {
		gone[id] = true
	}
	r.mu.Unlock()
	containers, err := r.engine.client.ContainerList(ctx, allOf(r.ours()))
	if err != nil {
		return fmt.Errorf("listing the containers of node %s: %w", r.options.Node, err)
	}
	volumes, err := r.engine.client.VolumeList(ctx, volume.ListOptions{Filters: r.ours()})
	if err != nil {
		return fmt.Errorf("listing the volumes of node %s: %w", r.options.Node, err)
	}
	r.mu.Lock()
	making := maps.Clone(r.making) // what is listed and not in here is not being made any more
	for _, v := range volumes.Volumes {
		r.keepVolumeLocked(uidOf(v.Labels), v.Labels[labelVolume], v.Name)
	}
	r.mu.Unlock()
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inspections)
	for _, c := range containers {
		delete(gone, c.ID)
		group.Go(func() error {
			if c.State == "created" && !making[strings.TrimPrefix(c.Names[0], "/")] {
				// Whoever made it was killed before it was started, or it did not start.
				return r.dropUnstarted(inner, c.ID)
			}
			return r.refresh(inner, c.ID)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for id := range gone {
		r.forget(id)
	}
	return nil
}

// dropUnstarted removes a container that was made and never started; one that failed to start stays, to say why.
func (r *Runtime) dropUnstarted(ctx context.Context, id string) error {
	seen, err := r.engine.client.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at container %.12s: %w", id, err)
	}
	if seen.State.Status != "created" || seen.State.Error != "" && seen.Config.Labels[labelContainer] != sandboxName {
		return r.refresh(ctx, id)
	}
	return r.engine.remove(ctx, id)
}

// refresh looks at one container and tells of its pod.
func (r *Runtime) refresh(ctx context.Context, id string) error {
	r.mu.Lock()
	r.tickets++
	ticket := r.tickets
	r.looks[id]++
	r.mu.Unlock()
	defer r.looked(id)
	seen, err := r.engine.client.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) || err == nil && (seen.State.Status == "removing" || seen.State.Dead) {
		r.forget(id)
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at container %.12s: %w", id, err)
	}
	c := recordOf(seen, r.options.NodeIP)
	c.ticket = ticket
	r.mu.Lock()
	was := r.containers[id]
	if r.gone[id] || was != nil && was.ticket > ticket { // a later look has seen more
		r.mu.Unlock()
		return nil
	}
	if was != nil {
		c.deadline, c.killing = was.deadline, was.killing
	}
	r.containers[id] = c
	if r.pods[c.uid] == nil {
		r.pods[c.uid] = map[string]*record{}
	}
	r.pods[c.uid][id] = c
	r.mu.Unlock()
	r.tell(c.uid)
	return nil
}

// looked ends a look at a container.
func (r *Runtime) looked(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks[id]--; r.looks[id] == 0 {
		delete(r.looks, id)
		delete(r.gone, id)
	}
}

// forget drops a container that is no more, and tells of its pod. A look at it that is under way changes nothing any more.
func (r *Runtime) forget(id string) {
	r.mu.Lock()
	if r.looks[id] > 0 {
		r.gone[id] = true
	}
	c, ok := r.containers[id]
	if ok {
		delete(r.containers, id)
		delete(r.pods[c.uid], id)
		if len(r.pods[c.uid]) == 0 {
			delete(r.pods, c.uid)
		}
	}
	r.mu.Unlock()
	if ok {
		r.tell(c.uid)
	}
}

func (r *Runtime) tell(uid types.UID) {
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed(uid)
	}
}

// turn notes whether the engine can be asked, says whether it could be before, and tells of every pod where that has
// changed.
func (r *Runtime) turn(down error) (wasUp bool) {
	r.mu.Lock()
	wasUp, r.down = r.down == nil, down
	close(r.turned)
	r.turned = make(chan struct{})
	var uids []types.UID
	for uid := range r.pods {
		uids = append(uids, uid)
	}
	r.mu.Unlock()
	if wasUp != (down == nil) {
		for _, uid := range uids {
			r.tell(uid)
		}
	}
	return wasUp
}

// await returns when the node's containers are known, or with the reason why they cannot be.
func (r *Runtime) await(ctx context.Context) error {
	for {
		r.mu.Lock()
		down, turned := r.down, r.turned
		r.mu.Unlock()
		if !errors.Is(down, errNotListed) {
			return down
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// recordOf is what the kubelet is told of a container. A sandbox on the host's network is found at the node's address.
func recordOf(seen container.InspectResponse, node netip.Addr) *record {
	labels := seen.Config.Labels
	c := &record{id: seen.ID, name: labels[labelContainer], uid: uidOf(labels),
		pod: [2]string{labels[labelNamespace], labels[labelPodName]}}
	created, _ := time.Parse(time.RFC3339Nano, seen.Created) // the engine's own format
	if c.isSandbox() {
		c.address, _ = netip.ParseAddr(labels[labelIP]) // invalid on the host's network
		c.sandbox = runtime.Sandbox{ID: kubeletID(seen.ID), Attempt: attemptOf(labels), CreatedAt: created,
			Ready: seen.State.Running}
		found := c.address
		if !found.IsValid() {
			found = node
		}
		if found.IsValid() && c.sandbox.Ready {
			c.sandbox.IPs = []string{found.String()}
		}
		return c
	}
	if list := labels[labelGPUs]; list != "" {
		c.gpus = strings.Split(list, ",")
	}
	c.container = runtime.Container{ID: kubeletID(seen.ID), Name: c.name, Attempt: attemptOf(labels),
		Image: labels[labelImage], ImageID: imageID(seen.Image), CreatedAt: created}
	state(&c.container, seen.State)
	return c
}

// state fills in where a container stands. One that could not be started has ended, as in upstream's status.
func state(c *runtime.Container, s *container.State) {
	started, _ := time.Parse(time.RFC3339Nano, s.StartedAt)
	finished, _ := time.Parse(time.RFC3339Nano, s.FinishedAt)
	switch {
	case s.Running:
		c.State, c.StartedAt = runtime.Running, started
	case s.Status == "created" && s.Error == "":
		c.State = runtime.Starting
	case s.Status == "created":
		c.State, c.ExitCode, c.Reason, c.Message = runtime.Exited, startErrorCode, "StartError", s.Error
		c.StartedAt, c.FinishedAt = neverStarted, c.CreatedAt
	default:
		if finished.Before(started) { // the engine notes a start when it hears of it, and a short process has ended by then
			started = finished
		}
		c.State, c.StartedAt, c.FinishedAt = runtime.Exited, started, finished
		c.ExitCode = int32(s.ExitCode)
		if s.OOMKilled {
			c.Reason = "OOMKilled"
		}
	}
}

// neverStarted is when a container was started that never was, as upstream's runtimes report it.
var neverStarted = time.Unix(0, 0).UTC()

// startErrorCode is what upstream reports of a container whose process could not be started.
const startErrorCode = 128

// imageID is the ID as a pod's status has it.
func imageID(id string) string { return "docker://" + id }
