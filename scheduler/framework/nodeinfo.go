package framework

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
)

// NodeInfo is one node with what its pods take of it.
type NodeInfo struct {
	Node *corev1.Node // nil for a node that only pods speak of

	pods        map[types.UID]*podInfo
	base        *NodeInfo              // the node that this is a copy of, to try other pods on it; nil for the node itself
	nominated   map[types.UID]*podInfo // that wait for room here
	images      map[string]int64       // sizes in bytes
	allocatable amounts
	requested   amounts          // what pods asked for: filters
	scored      amounts          // the same with defaults for pods that asked for nothing: scores
	ports       map[hostPort]int // how many pods take the port; nil where none does
	controlled  map[owner]int64  // how many pods the controller has here, but for those being deleted; nil where none does

	lowest   int32  // the lowest priority of its pods, as of lowestAt
	lowestAt uint64 // the generation that lowest was found in

	slot       int    // index in Snapshot.sorted
	generation uint64 // Snapshot.clock at the last Change
	newer      *NodeInfo
	older      *NodeInfo
}

// owner is a controller of pods.
type owner struct {
	namespace string
	uid       types.UID
}

// podInfo is a placed pod with what decisions need of it.
type podInfo struct {
	pod        *corev1.Pod
	requested  amounts
	scored     amounts
	ports      []hostPort
	priority   int32
	controller types.UID // with whose other pods it is spread unasked; empty where it is not
	terms      []*term   // of its affinity to other pods
	claims     []string  // that its volumes name
}

// Pods are those on the node, by UID.
func (n *NodeInfo) Pods() map[types.UID]*corev1.Pod {
	pods := make(map[types.UID]*corev1.Pod, len(n.pods))
	for uid, p := range n.pods {
		pods[uid] = p.pod
	}
	return pods
}

// take adds what the pod takes of the node, sign times.
func (n *NodeInfo) take(p *podInfo, sign int64) {
	n.requested.add(&p.requested, sign)
	n.scored.add(&p.scored, sign)
	if p.controller != "" && p.pod.DeletionTimestamp == nil {
		if n.controlled == nil {
			n.controlled = map[owner]int64{}
		}
		o := owner{p.pod.Namespace, p.controller}
		if n.controlled[o] += sign; n.controlled[o] == 0 {
			delete(n.controlled, o)
		}
	}
	for _, port := range p.ports {
		if n.ports == nil {
			n.ports = map[hostPort]int{}
		}
		if n.ports[port] += int(sign); n.ports[port] == 0 {
			delete(n.ports, port)
		}
	}
}

// hasLower reports whether a pod of lower priority runs here: the only pods that preemption could evict.
func (n *NodeInfo) hasLower(priority int32) bool {
	if n.lowestAt != n.generation {
		n.lowest, n.lowestAt = math.MaxInt32, n.generation
		for _, p := range n.pods {
			n.lowest = min(n.lowest, p.priority)
		}
	}
	return len(n.pods) > 0 && n.lowest < priority
}

func newPodInfo(pod *corev1.Pod) *podInfo {
	p := &podInfo{
		pod:       pod,
		requested: requests(pod, true),
		scored:    scoredRequests(pod, true),
		ports:     hostPorts(pod),
		priority:  schedulinghelpers.PodPriority(pod),
	}
	p.claims, _ = podClaims(pod)
	p.controller = spreadController(pod)
	return p
}

// same reports whether no decision can tell the two versions of a pod apart: most writes to a running pod's status
// are no change.
func (p *podInfo) same(q *podInfo) bool {
	return p.requested.equal(&q.requested) && p.scored.equal(&q.scored) && slices.Equal(p.ports, q.ports) &&
		p.priority == q.priority && p.controller == q.controller &&
		(p.pod.DeletionTimestamp == nil) == (q.pod.DeletionTimestamp == nil) && maps.Equal(p.pod.Labels, q.pod.Labels)
}

// clone is the node with pods of its own, to add and remove some.
func (n *NodeInfo) clone() *NodeInfo {
	c := &NodeInfo{
		Node: n.Node, pods: maps.Clone(n.pods), base: cmp.Or(n.base, n), nominated: n.nominated, images: n.images, allocatable: n.allocatable,
		requested: n.requested, scored: n.scored, ports: maps.Clone(n.ports), controlled: maps.Clone(n.controlled), slot: n.slot,
	}
	c.requested.extended, c.scored.extended = maps.Clone(n.requested.extended), maps.Clone(n.scored.extended)
	return c
}

func (n *NodeInfo) put(p *podInfo) {
	if n.pods == nil {
		n.pods = map[types.UID]*podInfo{}
	}
	n.pods[p.pod.UID] = p
	n.take(p, 1)
}

func (n *NodeInfo) drop(p *podInfo) {
	delete(n.pods, p.pod.UID)
	n.take(p, -1)
}

// crowded is the node with the pods that are nominated for it, as far as they go before a pod of the priority; nil
// where there are none. The pod itself is not among them.
func (n *NodeInfo) crowded(priority int32, uid types.UID) *NodeInfo {
	var c *NodeInfo
	for _, p := range n.nominated {
		if p.priority < priority || p.pod.UID == uid {
			continue
		}
		if c == nil {
			c = n.clone()
		}
		c.put(p)
	}
	return c
}
