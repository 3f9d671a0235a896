package scheduler

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"

	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/scheduler/framework"
)

// preempt notes that room is being made for the pod, and returns what there is to write. Where that fails, the pod is
// decided about once more. The scheduler's lock is held.
func (s *Scheduler) preempt(item *queuedPod, p *framework.Preemption) func(context.Context) {
	pod := item.pod // the item may get a newer one once the lock is free
	priority := schedulinghelpers.PodPriority(pod)
	// Who goes after this pod may have to look for another node.
	outranked := s.snapshot.NominatedBelow(p.Node, priority)
	for _, loser := range outranked {
		s.unnominate(loser.UID, loser.ResourceVersion)
		s.queue.tryAgain(loser.UID, s.clock.Now())
	}
	s.nominate(pod, p.Node)
	return func(ctx context.Context) {
		for _, loser := range outranked {
			s.setNomination(ctx, loser, "")
		}
		failed := !s.setNomination(ctx, pod, p.Node)
		for _, victim := range p.Victims {
			if failed {
				break
			}
			failed = !s.evict(ctx, pod, victim, p.Node)
		}
		if failed {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.queue.tryAgain(pod.UID, s.clock.Now())
		}
	}
}

// nominate notes for which node the pod waits, and lets others have the room at one that it waited for before.
func (s *Scheduler) nominate(pod *corev1.Pod, node string) {
	before := s.snapshot.Nominated(pod.UID)
	if happened := s.snapshot.Nominate(pod, node); happened&framework.PodRemoved != 0 {
		s.wake(framework.Event{Change: framework.PodRemoved, Node: before}, pod.ResourceVersion)
	}
}

// unnominate takes the pod's nomination back, and lets others have the room.
func (s *Scheduler) unnominate(uid types.UID, resourceVersion string) {
	node := s.snapshot.Nominated(uid)
	if node == "" {
		return
	}
	s.snapshot.Unnominate(uid)
	s.wake(framework.Event{Change: framework.PodRemoved, Node: node}, resourceVersion)
}

// evict says on the victim why it has to go, and deletes it. It reports whether the victim is gone or going.
func (s *Scheduler) evict(ctx context.Context, pod, victim *corev1.Pod, node string) bool {
	if victim.DeletionTimestamp != nil {
		return true
	}
	ctx = journal.WithReason(ctx, fmt.Sprintf("%s/%s of priority %d gets the room on %s of %s/%s, which has priority %d",
		pod.Namespace, pod.Name, schedulinghelpers.PodPriority(pod), node,
		victim.Namespace, victim.Name, schedulinghelpers.PodPriority(victim)))
	logger := s.logger.With("namespace", victim.Namespace, "pod", victim.Name, "node", node)
	_, err := s.patchStatus(ctx, victim, map[string]any{"conditions": []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
		Message:            pod.Spec.SchedulerName + ": preempting to accommodate a higher priority pod",
		LastTransitionTime: metav1.NewTime(s.clock.Now()), ObservedGeneration: victim.Generation,
	}}})
	if err == nil {
		err = s.client.CoreV1().Pods(victim.Namespace).Delete(ctx, victim.Name, *metav1.NewPreconditionDeleteOptions(
			string(victim.UID)))
	}
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return true // it is gone, or another pod has its name
	}
	if err != nil {
		if ctx.Err() == nil {
			logger.Warn("pod not evicted", "error", err)
		}
		return false
	}
	logger.Info("pod evicted", "reason", "preempted by "+pod.Namespace+"/"+pod.Name)
	s.events[pod.Spec.SchedulerName].WriteV1(ctx, victim, "Preempting",
		events.Normal("Preempted", "Preempted by pod %s on node %s", pod.UID, node))
	return true
}

// setNomination writes status.nominatedNodeName; an empty node takes it back. It reports whether it is written, or the
// pod is gone.
func (s *Scheduler) setNomination(ctx context.Context, pod *corev1.Pod, node string) bool {
	var value any // null removes the field
	if node != "" {
		value = node
	}
	written, err := s.patchStatus(ctx, pod, map[string]any{"nominatedNodeName": value})
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if item := s.queue.pods[pod.UID]; item != nil {
			item.nominatedAt = framework.Revision(written)
		}
		return true
	}
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return true
	}
	if ctx.Err() == nil {
		s.logger.Warn("nomination not written", "namespace", pod.Namespace, "pod", pod.Name, "error", err)
	}
	return false
}
