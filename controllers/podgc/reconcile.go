package podgc

import (
	"context"
	"fmt"
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

	"minik.dev/controllers/loop"
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

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core := e.Informers.Core().V1()
	c := &podGarbageController{
		client: e.Client, nodes: core.Nodes().Lister(), pods: core.Pods().Lister(),
		podsIndex: core.Pods().Informer().GetIndexer(), clock: e.Clock, missing: map[string]time.Time{},
	}
	return loop.Controller{
		Watches:   []loop.Watch{loop.On(core.Nodes().Informer(), loop.Self[*corev1.Node]), loop.On(core.Pods().Informer(), c.podSeen)},
		Reconcile: c.reconcile,
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
		return loop.RequeueAfter(countEvery)
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
		return loop.RequeueAfter(left)
	}
	// The cache may be a moment old: the server is asked before anything is deleted for good.
	_, err = c.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return loop.ErrBehind
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("getting node %s from the server: %w", name, err)
	}
	return c.remove(ctx, planNodeGarbage(name, nil, pods))
}

func (c *podGarbageController) podsOn(node string) ([]*corev1.Pod, error) {
	found, err := c.podsIndex.ByIndex(loop.ByNode, node)
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
	group.SetLimit(loop.ParallelWrites)
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
					return fmt.Errorf("marking pod %s failed: %w", loop.KeyOf(r.Pod), err)
				}
			}
			options := metav1.NewDeleteOptions(0)
			options.Preconditions = metav1.NewUIDPreconditions(string(r.Pod.UID))
			if err := client.Delete(ctx, r.Pod.Name, *options); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting pod %s: %w", loop.KeyOf(r.Pod), err)
			}
			return nil
		})
	}
	return group.Wait()
}
