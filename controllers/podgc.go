package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/journal"
)

const (
	// terminatedPodThreshold is upstream's default of --terminated-pod-gc-threshold.
	terminatedPodThreshold = 12500
	// countEvery is how often the ended pods are counted; upstream's gcCheckPeriod.
	countEvery = 20 * time.Second
	// nodeQuarantine is how long a node must be gone before its pods are; it may be registered anew. Upstream waits 40 s,
	// as long as the Lease of its nodes; the Lease of minik's own nodes is 8 s.
	nodeQuarantine = 8 * time.Second

	// The two keys beside the nodes' names; no node can be named so.
	unscheduledPods = "!unscheduled"
	endedPods       = "!ended"
)

// podGarbageController deletes pods that nobody else will: of nodes that are gone or out of service, deleted before they
// had a node, and ended ones when there are too many. Its keys are nodes' names, unscheduledPods and endedPods.
type podGarbageController struct {
	client    kubernetes.Interface
	nodes     corelisters.NodeLister
	pods      corelisters.PodLister
	podsIndex cache.Indexer
	clock     clock.PassiveClock

	counting atomic.Bool
	// missing says since when a node is missed. Only the one worker touches it.
	missing map[string]time.Time
}

func newPodGarbageController(e env) (controller, error) {
	core := e.informers.Core().V1()
	c := &podGarbageController{
		client: e.client, nodes: core.Nodes().Lister(), pods: core.Pods().Lister(),
		podsIndex: core.Pods().Informer().GetIndexer(), clock: e.clock, missing: map[string]time.Time{},
	}
	return controller{
		watches:   []watch{on(core.Nodes().Informer(), self[*corev1.Node]), on(core.Pods().Informer(), c.podSeen)},
		reconcile: c.reconcile,
	}, nil
}

func (c *podGarbageController) podSeen(pod, _ *corev1.Pod) []string {
	var keys []string
	if c.counting.CompareAndSwap(false, true) {
		keys = append(keys, endedPods)
	}
	if pod.Spec.NodeName == "" {
		if pod.DeletionTimestamp != nil {
			keys = append(keys, unscheduledPods)
		}
		return keys
	}
	if node, err := c.nodes.Get(pod.Spec.NodeName); err != nil || outOfService(node) {
		keys = append(keys, pod.Spec.NodeName)
	}
	return keys
}

// podRemoval is one pod to delete at once.
type podRemoval struct {
	Pod *corev1.Pod
	// Disruption is the message of the condition DisruptionTarget; empty where the pod gets none.
	Disruption string
	Reason     string
}

// planNodeGarbage says which pods bound to a node have lost it; a nil node is gone.
func planNodeGarbage(name string, node *corev1.Node, pods []*corev1.Pod) []podRemoval {
	var out []podRemoval
	for _, pod := range pods {
		switch {
		case node == nil:
			out = append(out, podRemoval{Pod: pod, Disruption: "PodGC: node no longer exists",
				Reason: fmt.Sprintf("node %s, to which the pod is bound, no longer exists", name)})
		case outOfService(node) && nodeReady(node) != corev1.ConditionTrue && pod.DeletionTimestamp != nil:
			out = append(out, podRemoval{Pod: pod, Reason: fmt.Sprintf(
				"the pod is terminating, and node %s is not ready and has taint %s", name, corev1.TaintNodeOutOfService)})
		}
	}
	return out
}

// planUnscheduledGarbage says which pods were deleted before they had a node: no kubelet will end them.
func planUnscheduledGarbage(pods []*corev1.Pod) []podRemoval {
	var out []podRemoval
	for _, pod := range pods {
		if pod.Spec.NodeName == "" && pod.DeletionTimestamp != nil {
			out = append(out, podRemoval{Pod: pod, Reason: "the pod is terminating and was never scheduled"})
		}
	}
	return out
}

// planEndedGarbage says which of the ended pods are too many: evicted ones first, then the oldest.
func planEndedGarbage(pods []*corev1.Pod, threshold int) []podRemoval {
	var ended []*corev1.Pod
	for _, pod := range pods {
		if finished(pod) && pod.DeletionTimestamp == nil {
			ended = append(ended, pod)
		}
	}
	if len(ended) <= threshold {
		return nil
	}
	evicted := func(pod *corev1.Pod) bool { return pod.Status.Reason == "Evicted" }
	slices.SortStableFunc(ended, func(a, b *corev1.Pod) int {
		if evicted(a) != evicted(b) {
			if evicted(a) {
				return -1
			}
			return 1
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	var out []podRemoval
	for _, pod := range ended[:len(ended)-threshold] {
		out = append(out, podRemoval{Pod: pod, Reason: fmt.Sprintf(
			"%d pods have ended, %d are kept", len(ended), threshold)})
	}
	return out
}

func outOfService(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
}

func (c *podGarbageController) reconcile(ctx context.Context, key string) error {
	switch key {
	case endedPods:
		pods, err := c.pods.List(labels.Everything())
		if err != nil {
			return fmt.Errorf("listing pods: %w", err)
		}
		if err := c.remove(ctx, planEndedGarbage(pods, terminatedPodThreshold)); err != nil {
			return err
		}
		return requeueAfter(countEvery)
	case unscheduledPods:
		pods, err := c.podsOn("")
		if err != nil {
			return err
		}
		return c.remove(ctx, planUnscheduledGarbage(pods))
	default:
		return c.reconcileNode(ctx, key)
	}
}

func (c *podGarbageController) reconcileNode(ctx context.Context, name string) error {
	pods, err := c.podsOn(name)
	if err != nil {
		return err
	}
	node, err := c.nodes.Get(name)
	if err == nil || len(pods) == 0 {
		delete(c.missing, name)
		return c.remove(ctx, planNodeGarbage(name, node, pods))
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("getting node %s: %w", name, err)
	}
	since, known := c.missing[name]
	if !known {
		since = c.clock.Now()
		c.missing[name] = since
	}
	if left := nodeQuarantine - c.clock.Since(since); left > 0 {
		return requeueAfter(left)
	}
	// The cache may be a moment old: the server is asked before anything is deleted for good.
	_, err = c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return errBehind
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("getting node %s from the server: %w", name, err)
	}
	return c.remove(ctx, planNodeGarbage(name, nil, pods))
}

func (c *podGarbageController) podsOn(node string) ([]*corev1.Pod, error) {
	found, err := c.podsIndex.ByIndex(byNode, node)
	if err != nil {
		return nil, fmt.Errorf("finding the pods of node %q: %w", node, err)
	}
	pods := make([]*corev1.Pod, 0, len(found))
	for _, obj := range found {
		pods = append(pods, obj.(*corev1.Pod))
	}
	return pods, nil
}

// remove deletes pods without grace: there is no kubelet to wait for. Each is marked Failed first where it had not ended,
// so that its owner counts it right whatever happens in between.
func (c *podGarbageController) remove(ctx context.Context, removals []podRemoval) error {
	group := errgroup.Group{}
	group.SetLimit(parallelWrites)
	for _, r := range removals {
		group.Go(func() error {
			ctx := journal.WithReason(ctx, r.Reason)
			client := c.client.CoreV1().Pods(r.Pod.Namespace)
			if marked, changed := failed(r, c.clock.Now()); changed {
				_, err := client.UpdateStatus(ctx, marked, metav1.UpdateOptions{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				if err != nil {
					return fmt.Errorf("marking pod %s failed: %w", keyOf(r.Pod), err)
				}
			}
			options := metav1.NewDeleteOptions(0)
			options.Preconditions = metav1.NewUIDPreconditions(string(r.Pod.UID))
			if err := client.Delete(ctx, r.Pod.Name, *options); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting pod %s: %w", keyOf(r.Pod), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// failed is the pod as it is marked before its removal, and whether that changes anything.
func failed(r podRemoval, now time.Time) (*corev1.Pod, bool) {
	if finished(r.Pod) {
		return r.Pod, false
	}
	marked := r.Pod
	if r.Disruption != "" {
		marked, _ = withDisruption(marked, "DeletionByPodGC", r.Disruption, now)
	}
	if marked == r.Pod {
		marked = marked.DeepCopy()
	}
	marked.Status.Phase = corev1.PodFailed
	return marked, true
}
