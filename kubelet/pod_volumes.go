package kubelet

import (
	"context"
	"fmt"
	"time"

	"minik.dev/events"
	"minik.dev/kubelet/backoff"

	corev1 "k8s.io/api/core/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/poddir"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/volumes"
)

// This file carries out what is decided about a pod's files on the node. A kubelet without a directory of its own, whose
// runtime mounts nothing, checks volumes and writes none.

// writeVolumes makes sure that the pod's volumes are there, with what they are made of now.
func (s *session) writeVolumes(ctx context.Context, e *podState, pod *corev1.Pod) error {
	in := volumes.Input{Pod: pod, References: env.NewReferences(ctx, s.client, pod.Namespace),
		TrustBundles: volumes.NewTrustBundles(ctx, s.client), Allocatable: withDefaults(s.options.Capacity)}
	if s.options.Dir == "" {
		return volumes.Check(in)
	}
	e.mu.Lock()
	e.files = true
	e.mu.Unlock()
	// What is written is watched first: so no change falls between the two.
	s.watched.Follow(ctx, pod)
	home, err := poddir.Open(s.options.Dir, pod.UID)
	if err != nil {
		return err
	}
	defer func() { _ = home.Close() }()
	return volumes.Write(in, home)
}

// removeVolumes removes the pod's emptyDirs and its directory.
func (s *session) removeVolumes(ctx context.Context, e *podState, pod *corev1.Pod) error {
	s.watched.Forget(pod.UID)
	if keeper, ok := s.options.Runtime.(runtime.VolumeKeeper); ok {
		if err := keeper.RemoveVolumes(ctx, pod.UID); err != nil {
			return fmt.Errorf("removing the volumes of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	if s.options.Dir != "" {
		if err := poddir.Remove(s.options.Dir, pod.UID); err != nil {
			return fmt.Errorf("removing the files of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files = false
	return nil
}

// findFiles finds the pods that have files here, and those that have nothing else left.
func (s *session) findFiles() error {
	if s.options.Dir == "" {
		return nil
	}
	found, err := poddir.List(s.options.Dir)
	if err != nil {
		return fmt.Errorf("finding the pods' files on node %s: %w", s.options.Node, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, uid := range found {
		e, ok := s.entries[uid]
		if !ok {
			e = newPodState(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
			e.gone = true
			s.entries[uid] = e
			s.queue.Add(uid)
		}
		e.mu.Lock()
		e.files, e.stale = true, true // an earlier kubelet wrote them: this one looks again, and follows their changes
		e.mu.Unlock()
	}
	return nil
}

// Upstream's back-off of mounts.
const (
	initialMountBackOff = 500 * time.Millisecond
	maxMountBackOff     = 2*time.Minute + 2*time.Second
)

// mount makes sure that what the pod's volumes name is there.
func (s *session) mount(ctx context.Context, e *podState, pod *corev1.Pod) error {
	e.mu.Lock()
	e.stale = false // what changes from here on makes it so again
	e.mu.Unlock()
	err := s.writeVolumes(ctx, e, pod)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.volumes = backoff.Try{Done: true}
		return nil
	}
	s.event(pod, nil, events.Warning("FailedMount", "%v", err))
	delay := backoff.Doubled(e.volumes.Delay, initialMountBackOff, maxMountBackOff)
	e.stale = e.files
	e.volumes = backoff.Try{Reason: "FailedMount", Message: err.Error(), Delay: delay, RetryAt: s.clock.Now().Add(delay)}
	return nil
}
