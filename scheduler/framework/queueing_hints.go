package framework

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A pod that fits nowhere is parked, and of all that happens little can help it. Which events wake it, is decided by one
// rule, upstream's idea of queueing hints: whichever node it is, one of the plugins that the pod waits for says no to it,
// even without the pods that could be evicted from it. So an event that none of these plugins listens to is none of the
// pod's business. One that some plugin listens to wakes the pod, or it is known who says no now, and the pod waits for
// that plugin as well: the rule holds again.

// Change is what happened to the cluster, as far as it may help a pod that did not fit: one bit for each kind of change.
type Change uint

// The changes that filters can tell.
const (
	NodeAdded Change = 1 << iota
	NodeRemoved
	NodeAllocatable
	NodeTaints // and spec.unschedulable
	NodeLabels
	PodPlaced // or a placed pod's labels changed
	PodRemoved
	NamespacesLabelled // one came, went or changed its labels
	VolumesChanged     // a claim, a volume or a class
	NodeImages         // which helps nobody, and changes scores
)

// nodeChanged are the changes of a node that filters can tell.
const nodeChanged = NodeAdded | NodeRemoved | NodeAllocatable | NodeTaints | NodeLabels

// Event is a change with what changed.
type Event struct {
	Change
	// Node is the name of the node, or of that of the pod; empty for a change of something else.
	Node string
	// Pod was placed, removed or changed; nil where it does not matter which.
	Pod *corev1.Pod
}

// Waiting is what may help a pod that fits nowhere.
type Waiting struct {
	// Plugins are those that say no: of each node, at least one of them does.
	Plugins []string

	// local are the changes of a node that may help there, global those that may help anywhere.
	local, global Change
	profile       *Profile
	shape         *shape // what is asked of a node or pod that changed
	claims        string // what the pod's claims ask, as of claimsAt; empty where it has none
	claimsAt      uint64
}

// NewWaiting is for a pod that the plugins reject everywhere; there are none where there is no node.
func NewWaiting(p *Profile, s *Snapshot, pod *corev1.Pod, plugins []string) Waiting {
	w := Waiting{profile: p, shape: s.shapes.shapeOf(p, s, pod), claims: claimsKey(p, s, pod), claimsAt: s.claimsAt}
	w.listen(plugins)
	return w
}

// listen is to what the plugins listen to. Whatever happens may change an extender's mind.
func (w *Waiting) listen(plugins []string) {
	w.Plugins, w.local, w.global = plugins, 0, 0
	if len(plugins) == 0 {
		w.local = NodeAdded
	}
	if slices.Contains(plugins, Extender) {
		w.global = ^Change(0)
	}
	for i := range w.profile.filters {
		f := &w.profile.filters[i]
		switch {
		case !slices.Contains(plugins, f.name):
		case f.comparesAll():
			w.global |= f.helps
		default:
			w.local |= f.helps
		}
	}
}

// add has the pod wait for one more plugin.
func (w *Waiting) add(plugin string) {
	if !slices.Contains(w.Plugins, plugin) {
		w.listen(append(w.Plugins, plugin))
	}
}

// Hint is one event, as the pods that wait look at it.
type Hint struct {
	event    Event
	snapshot *Snapshot
	said     map[*shape]*Rejection // by the node to the shapes that asked; nil where it may help
}

// Hint is asked after the event is in the snapshot, about any number of pods.
func (s *Snapshot) Hint(e Event) Hint { return Hint{e, s, map[*shape]*Rejection{}} }

// Helps reports whether the event may help the pod that waits. Where it does not, the pod waits for whoever rejects now the
// node that changed.
func (h *Hint) Helps(w *Waiting, pod *corev1.Pod) bool {
	e := &h.event
	if (w.local|w.global)&e.Change == 0 {
		return false
	}
	if w.claimsChanged(h.snapshot, pod) {
		if refused := w.shape.refused; refused != nil {
			w.add(refused.Plugin)
			return false
		}
		return true
	}
	if w.global&e.Change != 0 && w.helpedElsewhere(e) {
		return true
	}
	n := h.snapshot.Node(e.Node)
	if n == nil || w.local&e.Change == 0 {
		return false
	}
	no, ok := h.said[w.shape]
	if !ok {
		no = refuses(w.profile, w.shape, n)
		h.said[w.shape] = no
	}
	if no != nil {
		w.add(no.Plugin)
	}
	return no == nil
}

// Nominated are the pods that wait for room on the node that the event is about, where that may be another question now: they
// may have to look for another node.
func (h *Hint) Nominated() []types.UID {
	n := h.snapshot.nodes[h.event.Node]
	if n == nil || h.event.Change&(nodeChanged|PodRemoved) == 0 || len(n.nominated) == 0 {
		return nil
	}
	return slices.Collect(maps.Keys(n.nominated))
}

// helpedElsewhere asks the plugins that judge nodes by others: a change at one node may help at another.
func (w *Waiting) helpedElsewhere(e *Event) bool {
	if slices.Contains(w.Plugins, Extender) {
		return true
	}
	for i := range w.profile.filters {
		f := &w.profile.filters[i]
		if f.comparesAll() && f.helps&e.Change != 0 && slices.Contains(w.Plugins, f.name) &&
			(f.hint == nil || e.Pod == nil || f.hint(w.shape, e.Change, e.Pod)) {
			return true
		}
	}
	return false
}

// claimsChanged reports whether the pod's claims ask something else than when the pod last looked, and has its shape ask
// that from now on.
func (w *Waiting) claimsChanged(s *Snapshot, pod *corev1.Pod) bool {
	if w.claimsAt == s.claimsAt {
		return false
	}
	w.claimsAt = s.claimsAt
	now := claimsKey(w.profile, s, pod)
	if now == w.claims {
		return false
	}
	w.shape, w.claims = newShape(w.profile, s, pod), now
	return true
}

// claimsKey is what the pod's claims ask.
func claimsKey(p *Profile, s *Snapshot, pod *corev1.Pod) string {
	return string(appendVolumeZone(appendVolumeRestrictions(appendVolumeBinding(nil, p, s, pod), p, s, pod), p, s, pod))
}

// refuses is the node's no to pods of the shape, even without the pods that could be evicted from it; nil where the node
// may help. Plugins that compare nodes are not asked.
func refuses(p *Profile, s *shape, n *NodeInfo) *Rejection {
	no := firstLocal(p, s, n)
	if no == nil || !p.Preempts || !s.preempts || no.Unresolvable || !n.hasLower(s.priority) {
		return no
	}
	without := n.clone()
	for _, lower := range n.pods {
		if lower.priority < s.priority {
			without.drop(lower)
		}
	}
	return firstLocal(p, s, without)
}

// firstLocal is the first no of the node itself, with the pods nominated for it that go before the shape's, and without
// them.
func firstLocal(p *Profile, s *shape, n *NodeInfo) *Rejection {
	if crowd := n.crowded(s.priority, ""); crowd != nil {
		if no := firstRejection(p, s, crowd); no != nil {
			return no
		}
	}
	return firstRejection(p, s, n)
}
