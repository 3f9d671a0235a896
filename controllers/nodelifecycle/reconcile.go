package nodelifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
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
	"minik.dev/controllers/nodestate"
	"minik.dev/controllers/podstate"
	"minik.dev/events"
	"minik.dev/journal"
)

// allNodes is the key under which the zones are judged and the NoExecute taints set. No node can be named so.
const allNodes = "*"

// nodeLifecycleController watches over the nodes. It has three kinds of keys:
//
//   - a node's name: is it late, what do its conditions and its NoSchedule taints say, are its pods still ready;
//   - allNodes: which zones are disrupted, and which nodes get NoExecute taints;
//   - a pod's "namespace/name": how long may it stay on a node with such taints.
//
// Lease renewals are only noted. Each node's key comes back by a timer when its patience would end, so that thousands
// of nodes cost one look each within the length of a Lease.
type nodeLifecycleController struct {
	client    kubernetes.Interface
	nodes     corelisters.NodeLister
	pods      corelisters.PodLister
	podsIndex cache.Indexer
	events    *events.Writer
	clock     clock.PassiveClock
	logger    *slog.Logger

	// judged is when the zones were looked at last, and judgedNodes how many nodes there were then. Only the one worker that
	// has allNodes touches them.
	judged      time.Time
	judgedNodes int

	mu sync.Mutex
	// heartbeats are the nodes' signs of life, by name.
	heartbeats map[string]heartbeat
	// tainted says since when a node is seen with a NoExecute taint that does not say so itself.
	tainted map[string]map[string]time.Time
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core, coordination := e.Informers.Core().V1(), e.Informers.Coordination().V1()
	c := &nodeLifecycleController{
		client: e.Client, nodes: core.Nodes().Lister(), pods: core.Pods().Lister(),
		podsIndex: core.Pods().Informer().GetIndexer(), events: e.Events, clock: e.Clock, logger: e.Logger,
		heartbeats: map[string]heartbeat{}, tainted: map[string]map[string]time.Time{},
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Nodes().Informer(), c.nodeSeen),
			loop.On(coordination.Leases().Informer(), c.leaseSeen),
			loop.On(core.Pods().Informer(), c.podSeen),
		},
		Reconcile: c.reconcile,
	}, nil
}

func (c *nodeLifecycleController) podsOn(node string) []*corev1.Pod {
	found, err := c.podsIndex.ByIndex(loop.ByNode, node)
	if err != nil {
		return nil // The index is made together with the informer: it is there.
	}
	pods := make([]*corev1.Pod, 0, len(found))
	for _, obj := range found {
		pods = append(pods, obj.(*corev1.Pod))
	}
	return pods
}

func (c *nodeLifecycleController) reconcile(ctx context.Context, key string) error {
	switch {
	case key == allNodes:
		return c.reconcileZones(ctx)
	case strings.Contains(key, "/"):
		return c.reconcilePod(ctx, key)
	default:
		return c.reconcileNode(ctx, key)
	}
}

func (c *nodeLifecycleController) reconcileNode(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		c.mu.Lock()
		delete(c.heartbeats, name)
		delete(c.tainted, name)
		c.mu.Unlock()
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting node %s: %w", name, err)
	}
	plan := planNodeHealth(node, c.heartbeat(name), c.clock.Now())
	if plan.Status != nil {
		if node, err = c.writeHealth(ctx, node, plan); err != nil {
			return err
		}
	}
	if taints := planNoScheduleTaints(node, c.clock.Now()); taints.Node != nil {
		if err := c.writeTaints(ctx, taints); err != nil {
			return err
		}
	}
	if plan.Late {
		if err := c.markPodsNotReady(ctx, name, plan.Reason); err != nil {
			return err
		}
	}
	return loop.RequeueAfter(plan.After)
}

func (c *nodeLifecycleController) writeHealth(
	ctx context.Context, node *corev1.Node, plan nodeHealthPlan,
) (*corev1.Node, error) {
	written, err := c.client.CoreV1().Nodes().UpdateStatus(
		journal.WithReason(ctx, plan.Reason), plan.Status, metav1.UpdateOptions{})
	if err != nil {
		return nil, fmt.Errorf("writing the status of node %s: %w", node.Name, err)
	}
	if nodestate.Ready(node) != nodestate.Ready(written) || nodestate.Condition(node, corev1.NodeReady) == nil {
		c.logger.Info("node is not ready", "node", node.Name, "reason", plan.Reason)
		c.events.Normal(node, "NodeNotReady", "Node %s status is now: NodeNotReady", node.Name)
	}
	return written, nil
}

func (c *nodeLifecycleController) writeTaints(ctx context.Context, plan taintPlan) error {
	_, err := c.client.CoreV1().Nodes().Update(journal.WithReason(ctx, plan.Reason), plan.Node, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing the taints of node %s: %w", plan.Node.Name, err)
	}
	return nil
}

// markPodsNotReady takes the pods of a silent node out of their Services.
func (c *nodeLifecycleController) markPodsNotReady(ctx context.Context, node, reason string) error {
	ctx = journal.WithReason(ctx, "node "+node+": "+reason)
	group := errgroup.Group{}
	group.SetLimit(loop.ParallelWrites)
	for _, pod := range planPodsNotReady(c.podsOn(node), c.clock.Now()) {
		group.Go(func() error {
			_, err := c.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("marking pod %s/%s not ready: %w", pod.Namespace, pod.Name, err)
			}
			c.events.Warning(pod, "NodeNotReady", "Node is not ready")
			return nil
		})
	}
	return group.Wait()
}

// zonePause is how long the zones of n nodes are left alone after a look at all of them: when thousands of nodes come
// at once, a look for each would cost their square. Upstream looks every five seconds; here a small cluster waits for
// nothing.
func zonePause(n int) time.Duration { return time.Duration(n/100) * 5 * time.Millisecond }

func (c *nodeLifecycleController) reconcileZones(ctx context.Context) error {
	if wait := zonePause(c.judgedNodes) - c.clock.Since(c.judged); wait > 0 {
		return loop.RequeueAfter(wait)
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	c.judged, c.judgedNodes = c.clock.Now(), len(nodes)
	states := zoneStates(nodes)
	group := errgroup.Group{}
	group.SetLimit(loop.ParallelWrites)
	for _, node := range nodes {
		if plan := planNoExecuteTaints(node, states[zoneOf(node)], c.clock.Now()); plan.Node != nil {
			group.Go(func() error { return c.writeTaints(ctx, plan) })
		}
	}
	return group.Wait()
}

func (c *nodeLifecycleController) reconcilePod(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	pod, err := c.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting pod %s: %w", key, err)
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil // The pods of a node that is gone are the pod garbage collector's.
	}
	if err != nil {
		return fmt.Errorf("getting node %s: %w", pod.Spec.NodeName, err)
	}
	plan := planEviction(c.timedTaints(node), pod, c.clock.Now())
	if !plan.Evict {
		return loop.RequeueAfter(plan.After)
	}
	return c.evict(journal.WithReason(ctx, plan.Reason), pod)
}

func (c *nodeLifecycleController) evict(ctx context.Context, pod *corev1.Pod) error {
	client := c.client.CoreV1().Pods(pod.Namespace)
	c.logger.Info("evicting a pod", "pod", loop.KeyOf(pod), "node", pod.Spec.NodeName)
	c.events.Normal(pod, "TaintManagerEviction", "Marking for deletion Pod %s/%s", pod.Namespace, pod.Name)
	marked, changed := podstate.WithDisruption(pod, deletionByTaintManager, taintManagerMessage, c.clock.Now())
	if changed {
		if _, err := client.UpdateStatus(ctx, marked, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("marking pod %s for its eviction: %w", loop.KeyOf(pod), err)
		}
	}
	options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
	if err := client.Delete(ctx, pod.Name, options); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("evicting pod %s: %w", loop.KeyOf(pod), err)
	}
	return nil
}
