package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
)

// Stop is runtime.Runtime's.
func (r *Runtime) Stop(ctx context.Context, id string, grace time.Duration) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	c, ok := r.lookup(id)
	if uid, lost := r.lost(id); lost {
		return r.stopPod(ctx, uid)
	}
	switch {
	case !ok:
		return nil
	case c.isSandbox():
		return errors.Join(r.stopPod(ctx, c.uid), r.kill(ctx, c.id))
	case !c.alive():
		return nil
	case grace <= 0:
		return r.kill(ctx, c.id)
	}
	first := r.killBy(c.id, r.options.Clock.Now().Add(grace))
	if !first {
		return nil
	}
	// With no signal named the engine sends the one that the image or the container asks for, SIGTERM by default.
	err := r.signal(ctx, c.id, "")
	if err != nil {
		r.spare(c.id) // it was not asked, and the next call must ask it
	}
	return err
}

// spare takes back a deadline.
func (r *Runtime) spare(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.containers[id]; ok {
		c.deadline = time.Time{}
	}
}

// killBy sets when the container is killed, unless it is killed sooner. It says whether nothing was set before.
func (r *Runtime) killBy(id string, deadline time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[id]
	if !ok || !c.deadline.IsZero() && c.deadline.Before(deadline) {
		return false
	}
	first = c.deadline.IsZero()
	c.deadline = deadline
	select {
	case r.kick <- struct{}{}:
	default: // it is awake already
	}
	return first
}

// signal sends a signal; a container that has ended needs none.
func (r *Runtime) signal(ctx context.Context, id, name string) error {
	if name == "" {
		seen, err := r.engine.client.ContainerInspect(ctx, id)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at container %.12s: %w", id, err)
		}
		if name = seen.Config.StopSignal; name == "" {
			name = "SIGTERM"
		}
	}
	err := r.engine.client.ContainerKill(ctx, id, name)
	if err == nil || errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // a conflict says that it does not run
		return nil
	}
	return fmt.Errorf("sending %s to container %.12s: %w", name, id, err)
}

// kill ends a container at once, and notes that it has.
func (r *Runtime) kill(ctx context.Context, id string) error {
	if err := r.signal(ctx, id, "SIGKILL"); err != nil {
		return err
	}
	return r.refresh(ctx, id)
}

// stopPod ends a pod's containers.
func (r *Runtime) stopPod(ctx context.Context, uid types.UID) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	for _, c := range r.ofPod(uid) {
		if !c.isSandbox() && c.alive() {
			group.Go(func() error { return r.kill(inner, c.id) })
		}
	}
	return group.Wait()
}

// ofPod are copies of what there is of a pod.
func (r *Runtime) ofPod(uid types.UID) []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []record
	for _, c := range r.pods[uid] {
		out = append(out, *c)
	}
	return out
}

// Remove is runtime.Runtime's.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	c, ok := r.lookup(id)
	switch {
	case ok && !c.isSandbox():
		return r.removeOne(ctx, c)
	case ok:
		return r.removePod(ctx, c.uid)
	}
	if uid, lost := r.lost(id); lost {
		return r.removePod(ctx, uid)
	}
	return nil
}

// lost finds the pod whose sandbox is gone and that this ID stands for.
func (r *Runtime) lost(id string) (types.UID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid := range r.pods {
		if lostSandbox(uid) == id {
			return uid, true
		}
	}
	return "", false
}

// removePod removes the containers, and the sandbox last: while it is there, the kubelet knows of the pod.
func (r *Runtime) removePod(ctx context.Context, uid types.UID) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(removals)
	var boxes []record
	for _, c := range r.ofPod(uid) {
		if c.isSandbox() {
			boxes = append(boxes, c)
			continue
		}
		group.Go(func() error { return r.removeOne(inner, c) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, box := range boxes {
		if err := r.removeOne(ctx, box); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) removeOne(ctx context.Context, c record) error {
	if err := r.engine.remove(ctx, c.id); err != nil {
		return err
	}
	r.forget(c.id)
	return nil
}

// killTimeout bounds one kill; one that fails is tried again.
const killTimeout = 30 * time.Second

// killer kills the containers whose time is over, until ctx is done.
func (r *Runtime) killer(ctx context.Context) {
	var group errgroup.Group
	defer func() { _ = group.Wait() }()
	for {
		due, next := r.due(r.options.Clock.Now())
		for _, id := range due {
			group.Go(func() error {
				inner, cancel := context.WithTimeout(ctx, killTimeout)
				defer cancel()
				err := r.kill(inner, id)
				if err != nil && ctx.Err() == nil {
					r.log.Warn("a container could not be killed, and is tried again", "error", err)
				}
				r.killed(id, err)
				return nil
			})
		}
		if !r.sleep(ctx, next) {
			return
		}
	}
}

// sleep returns at that time, or sooner where a deadline is new; false says that ctx is done. Zero is no time.
func (r *Runtime) sleep(ctx context.Context, until time.Time) bool {
	var alarm <-chan time.Time
	if !until.IsZero() {
		timer := r.options.Clock.NewTimer(until.Sub(r.options.Clock.Now()))
		defer timer.Stop()
		alarm = timer.C()
	}
	select {
	case <-alarm:
	case <-r.kick:
	case <-ctx.Done():
		return false
	}
	return true
}

// due are the containers to be killed now, and when the next one is; zero means that none waits.
func (r *Runtime) due(now time.Time) (ids []string, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, c := range r.containers {
		switch {
		case c.deadline.IsZero() || c.killing || !c.alive():
		case !c.deadline.After(now):
			c.killing = true
			ids = append(ids, id)
		case next.IsZero() || c.deadline.Before(next):
			next = c.deadline
		}
	}
	return ids, next
}

// killed ends a try to kill; after one that failed, the container is due again a second later.
func (r *Runtime) killed(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[id]
	if !ok {
		return
	}
	c.killing = false
	if err != nil {
		c.deadline = r.options.Clock.Now().Add(time.Second)
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}
