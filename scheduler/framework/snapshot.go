package framework

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Snapshot is the cluster as a decision sees it: the nodes, and the pods placed on them, assumed ones included. It
// is kept up to date change by change; [Schedule] and [Explain] read it. One goroutine at a time may use it.
type Snapshot struct {
	nodes  map[string]*NodeInfo // by name; also nodes known only from pods that name them
	sorted []*NodeInfo          // the nodes that exist, by name; valid unless unsorted
	places map[types.UID]string // where each placed pod is: its node's name

	nominations map[types.UID]string // where pods wait for room that is being made for them
	budgets     budgets

	// clock advances with every change. Each node keeps the time of its last change, and changed lists the nodes newest
	// change first, so that whoever remembers a time finds what is newer without looking at the rest.
	clock    uint64
	changed  NodeInfo // the head of a ring
	unsorted bool
	// epoch is the clock when a node came, went, or changed its labels: then domains and slots mean something else.
	epoch uint64

	// namespaces are the labels of all namespaces, which terms select them by, as of namespacesAt.
	namespaces   namespaceLabels
	namespacesAt uint64
	// terms are what the placed pods say of others.
	terms placedTerms

	// What the claims of pods are about, and on which nodes how many pods use each claim.
	claims     map[types.NamespacedName]*corev1.PersistentVolumeClaim
	volumes    map[string]*corev1.PersistentVolume
	classes    map[string]*storagev1.StorageClass
	claimUsers map[types.NamespacedName]map[string]int
	claimsAt   uint64 // advances whenever one of these changes

	imageNodes map[string]int // on how many nodes each image is

	// alone remembers for label keys whether no two nodes have the same value, as of aloneEpoch.
	alone      map[string]bool
	aloneEpoch uint64

	// NodesRevision and PodsRevision are the newest resourceVersions that were put in.
	NodesRevision, PodsRevision uint64

	// shapes remembers what Schedule worked out. It changes no answer, only the time the answer takes.
	shapes shapeCache
}

// NewSnapshot is an empty cluster.
func NewSnapshot() *Snapshot {
	s := &Snapshot{
		nodes: map[string]*NodeInfo{}, places: map[types.UID]string{}, namespaces: namespaceLabels{},
		nominations: map[types.UID]string{}, imageNodes: map[string]int{},
		claims:     map[types.NamespacedName]*corev1.PersistentVolumeClaim{},
		volumes:    map[string]*corev1.PersistentVolume{},
		classes:    map[string]*storagev1.StorageClass{},
		claimUsers: map[types.NamespacedName]map[string]int{},
	}
	s.changed.newer, s.changed.older = &s.changed, &s.changed
	return s
}

// SetNode puts in a node, or the newer version of one. It returns what that changes for pods that did not fit.
func (s *Snapshot) SetNode(node *corev1.Node) Change {
	s.NodesRevision = max(s.NodesRevision, Revision(node))
	n := s.node(node.Name)
	old := n.Node
	n.Node = node
	happened := nodeChange(old, node)
	if happened == 0 {
		return 0
	}
	n.allocatable = newAmounts(node.Status.Allocatable)
	if happened&(NodeAdded|NodeImages) != 0 {
		s.setImages(n, nodeImages(node))
	}
	s.touch(n)
	if old == nil {
		s.unsorted = true
		s.claimsAt++ // those of the node's pods are in use again
	}
	if happened&(NodeAdded|NodeLabels) != 0 {
		s.epoch = s.clock
	}
	return happened
}

// nodeChange is what a decision can tell the two versions of a node apart by: nothing in a heartbeat.
func nodeChange(old, new *corev1.Node) Change {
	if old == nil {
		return NodeAdded
	}
	var happened Change
	if old.Spec.Unschedulable != new.Spec.Unschedulable ||
		!equality.Semantic.DeepEqual(old.Spec.Taints, new.Spec.Taints) {
		happened |= NodeTaints
	}
	if !maps.Equal(old.Labels, new.Labels) {
		happened |= NodeLabels
	}
	if !equality.Semantic.DeepEqual(old.Status.Allocatable, new.Status.Allocatable) {
		happened |= NodeAllocatable
	}
	if !equality.Semantic.DeepEqual(old.Status.Images, new.Status.Images) {
		happened |= NodeImages
	}
	return happened
}

// RemoveNode takes a node away. Its pods are remembered, in case the node returns before they are gone.
func (s *Snapshot) RemoveNode(node *corev1.Node) Change {
	s.NodesRevision = max(s.NodesRevision, Revision(node))
	n, ok := s.nodes[node.Name]
	if !ok || n.Node == nil {
		return 0
	}
	n.Node = nil
	s.setImages(n, nil)
	s.clock++
	s.epoch, s.unsorted = s.clock, true
	s.claimsAt++
	s.unlink(n)
	s.forget(node.Name, n)
	return NodeRemoved
}

// AddPod puts a pod on the node that its spec names, or puts in the newer version of one. A pod that has ended takes
// nothing, and is removed. It returns what that changes for pods that did not fit.
func (s *Snapshot) AddPod(pod *corev1.Pod) Change {
	s.PodsRevision = max(s.PodsRevision, Revision(pod))
	happened := s.Unnominate(pod.UID)
	if pod.Spec.NodeName == "" || Ended(pod) {
		return happened | s.removePod(pod.UID)
	}
	happened |= PodPlaced
	if place, ok := s.places[pod.UID]; ok && place != pod.Spec.NodeName {
		happened |= s.removePod(pod.UID)
	}
	n := s.node(pod.Spec.NodeName)
	info := newPodInfo(pod)
	if old, ok := n.pods[pod.UID]; ok {
		if old.same(info) {
			old.pod = pod
			return 0
		}
		n.take(old, -1)
		s.useClaims(old, pod.Spec.NodeName, -1)
		defer s.terms.release(old.terms) // once the new ones are taken: most are the same
		happened |= PodRemoved           // it may need less, or no longer count
	}
	info.terms = s.terms.take(pod)
	if n.pods == nil {
		n.pods = map[types.UID]*podInfo{}
	}
	n.pods[pod.UID] = info
	s.places[pod.UID] = pod.Spec.NodeName
	n.take(info, 1)
	s.useClaims(info, pod.Spec.NodeName, 1)
	s.touch(n)
	return happened
}

// RemovePod takes a pod away.
func (s *Snapshot) RemovePod(pod *corev1.Pod) Change {
	s.PodsRevision = max(s.PodsRevision, Revision(pod))
	return s.Unnominate(pod.UID) | s.removePod(pod.UID)
}

// Whereabouts are where the pod counts, and as what: placed, and nominated. Where it does not, the node's name is empty.
func (s *Snapshot) Whereabouts(uid types.UID) (places [2]Whereabouts) {
	if node, ok := s.places[uid]; ok {
		places[0] = Whereabouts{node, s.nodes[node].pods[uid].pod}
	}
	if node, ok := s.nominations[uid]; ok && node != places[0].Node {
		places[1] = Whereabouts{node, s.nodes[node].nominated[uid].pod}
	}
	return places
}

// Whereabouts is a place where a pod counts, and the version of the pod that does.
type Whereabouts struct {
	Node string
	Pod  *corev1.Pod
}

func (s *Snapshot) removePod(uid types.UID) Change {
	place, ok := s.places[uid]
	if !ok {
		return 0
	}
	delete(s.places, uid)
	n := s.nodes[place]
	n.take(n.pods[uid], -1)
	s.useClaims(n.pods[uid], place, -1)
	s.terms.release(n.pods[uid].terms)
	delete(n.pods, uid)
	s.touch(n)
	s.forget(place, n)
	return PodRemoved
}

// Node is the node, if there is one of that name.
func (s *Snapshot) Node(name string) *NodeInfo {
	if n, ok := s.nodes[name]; ok && n.Node != nil {
		return n
	}
	return nil
}

// node finds the node's place, or makes one for a node that is not here yet.
func (s *Snapshot) node(name string) *NodeInfo {
	n, ok := s.nodes[name]
	if !ok {
		n = &NodeInfo{}
		s.nodes[name] = n
	}
	return n
}

// forget drops a node that neither exists nor is spoken of.
func (s *Snapshot) forget(name string, n *NodeInfo) {
	if n.Node == nil && len(n.pods) == 0 && len(n.nominated) == 0 {
		delete(s.nodes, name)
	}
}

// touch marks the node as changed now.
func (s *Snapshot) touch(n *NodeInfo) {
	s.clock++
	n.generation = s.clock
	if n.Node == nil {
		return
	}
	s.unlink(n)
	n.newer, n.older = &s.changed, s.changed.older
	n.newer.older, n.older.newer = n, n
}

func (s *Snapshot) unlink(n *NodeInfo) {
	if n.newer != nil {
		n.newer.older, n.older.newer = n.older, n.newer
		n.newer, n.older = nil, nil
	}
}

// Nodes are the nodes that exist, by name. A node's slot is its index.
func (s *Snapshot) Nodes() []*NodeInfo {
	if s.unsorted {
		s.sorted = s.sorted[:0]
		for _, n := range s.nodes {
			if n.Node != nil {
				s.sorted = append(s.sorted, n)
			}
		}
		slices.SortFunc(s.sorted, func(a, b *NodeInfo) int { return strings.Compare(a.Node.Name, b.Node.Name) })
		for i, n := range s.sorted {
			n.slot = i
		}
		s.unsorted = false
	}
	return s.sorted
}

// standAlone reports whether no two nodes have the same value of the label.
func (s *Snapshot) standAlone(key string) bool {
	if s.alone == nil || s.aloneEpoch != s.epoch {
		s.alone, s.aloneEpoch = map[string]bool{}, s.epoch
	}
	alone, ok := s.alone[key]
	if !ok {
		alone = true
		seen := make(map[string]bool, len(s.nodes))
		for _, n := range s.Nodes() {
			if value, has := n.Node.Labels[key]; has {
				alone = alone && !seen[value]
				seen[value] = true
			}
		}
		s.alone[key] = alone
	}
	return alone
}

// Ended reports whether the pod has ended: it takes nothing of its node any more.
func Ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// Revision is the object's resourceVersion; 0 for an object that was never stored.
func Revision(obj metav1.Object) uint64 {
	r, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return r
}
