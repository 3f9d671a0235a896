package nodelifecycle

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/nodestate"
)

// leaseSeen notes a renewal by the controller's own clock. It wakes the node when its patience has changed.
func (c *nodeLifecycleController) leaseSeen(lease, _ *coordinationv1.Lease) []string {
	if lease.Namespace != corev1.NamespaceNodeLease {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h, known := c.heartbeats[lease.Name]
	before := h.patience
	if lease.Spec.LeaseDurationSeconds != nil {
		h.patience = time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	}
	if h.patience <= 0 {
		h.patience = patienceWithoutLease
	}
	if renewed := lease.Spec.RenewTime; !known || (renewed != nil && !renewed.Time.Equal(h.renewed)) {
		if renewed != nil {
			h.renewed = renewed.Time
		}
		h.seen = c.clock.Now()
	}
	c.heartbeats[lease.Name] = h
	if h.patience != before {
		return []string{lease.Name}
	}
	return nil
}

// nodeSeen notes the heartbeat in the node's own status. It wakes the node; all nodes where one has come, gone or
// changed its readiness; and the node's pods where its NoExecute taints have changed.
func (c *nodeLifecycleController) nodeSeen(node, old *corev1.Node) []string {
	keys := []string{node.Name}
	if old == nil || nodestate.Ready(node) != nodestate.Ready(old) || zoneOf(node) != zoneOf(old) ||
		!equality.Semantic.DeepEqual(noExecute(node), noExecute(old)) {
		keys = append(keys, allNodes)
	}
	c.mu.Lock()
	h, known := c.heartbeats[node.Name]
	reported := time.Time{}
	if ready := nodestate.Condition(node, corev1.NodeReady); ready != nil {
		reported = ready.LastHeartbeatTime.Time
	}
	if !known {
		h = heartbeat{seen: c.clock.Now(), reported: reported, patience: patienceWithoutLease}
	} else if !reported.Equal(h.reported) {
		h.seen, h.reported = c.clock.Now(), reported
	}
	c.heartbeats[node.Name] = h
	c.noteTaints(node)
	c.mu.Unlock()

	if len(noExecute(node)) > 0 && (old == nil || !equality.Semantic.DeepEqual(noExecute(node), noExecute(old))) {
		for _, pod := range c.podsOn(node.Name) {
			keys = append(keys, loop.KeyOf(pod))
		}
	}
	return keys
}

// noteTaints remembers when a NoExecute taint without a time was first seen, and forgets those that are gone.
func (c *nodeLifecycleController) noteTaints(node *corev1.Node) {
	since := map[string]time.Time{}
	for _, taint := range noExecute(node) {
		id := taint.ToString()
		since[id] = c.clock.Now()
		if known, ok := c.tainted[node.Name][id]; ok {
			since[id] = known
		}
	}
	if len(since) == 0 {
		delete(c.tainted, node.Name)
		return
	}
	c.tainted[node.Name] = since
}

// podSeen wakes a pod that is on a node from which pods are driven away.
func (c *nodeLifecycleController) podSeen(pod, _ *corev1.Pod) []string {
	if pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil {
		return nil
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if err != nil || len(noExecute(node)) == 0 {
		return nil
	}
	return []string{loop.KeyOf(pod)}
}

// LastSign is when the node's Lease was renewed last; asked where it has none. A rehearsal lets the controller see the sign
// at that time, for it counts a node's silence from when it saw one.
func LastSign(ctx context.Context, client kubernetes.Interface, node string, asked time.Time) time.Time {
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil {
		return asked
	}
	return lease.Spec.RenewTime.Time
}

func noExecute(node *corev1.Node) []corev1.Taint {
	var out []corev1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoExecute {
			out = append(out, taint)
		}
	}
	return out
}

// heartbeat is what was seen of the node. One that was forgotten while it was deleted and made anew starts again now.
func (c *nodeLifecycleController) heartbeat(name string) heartbeat {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, known := c.heartbeats[name]
	if !known {
		h = heartbeat{seen: c.clock.Now(), patience: patienceWithoutLease}
		c.heartbeats[name] = h
	}
	return h
}

// timedTaints are the node's NoExecute taints, each with the time since which it counts.
func (c *nodeLifecycleController) timedTaints(node *corev1.Node) []corev1.Taint {
	c.mu.Lock()
	defer c.mu.Unlock()
	taints := noExecute(node)
	for i := range taints {
		if taints[i].TimeAdded == nil {
			since, ok := c.tainted[node.Name][taints[i].ToString()]
			if !ok {
				since = c.clock.Now()
			}
			taints[i].TimeAdded = &metav1.Time{Time: since}
		}
	}
	return taints
}

const (
	// patienceWithoutLease is how long a node may stay silent that never had a Lease: upstream's node-monitor-grace-period.
	patienceWithoutLease = 50 * time.Second

	nodeStatusUnknown      = "NodeStatusUnknown"
	nodeStatusNeverUpdated = "NodeStatusNeverUpdated"
)

// heartbeat is what the controller saw of a node's signs of life, by its own clock: the clocks of other machines decide
// nothing.
type heartbeat struct {
	// renewed is the Lease's renewTime and reported the heartbeat in the node's Ready condition, as the node wrote them;
	// they are only compared with what comes next.
	renewed, reported time.Time
	// seen is when the controller saw either of them change, or the node for the first time.
	seen time.Time
	// patience is the Lease's own leaseDurationSeconds; patienceWithoutLease before there is one.
	patience time.Duration
}

// late is for how long the node has been silent beyond patience; below zero, how long it may still stay silent.
func (h heartbeat) late(now time.Time) time.Duration { return now.Sub(h.seen) - h.patience }
