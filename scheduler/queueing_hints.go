package scheduler

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// A pod that fits nowhere is parked, and of all that happens little can help it. Which events wake it, is decided by one
// rule, upstream's idea of queueing hints: whichever node it is, one of the plugins that the pod waits for says no to it,
// even without the pods that could be evicted from it. So an event that none of these plugins listens to is none of the
// pod's business. One that some plugin listens to wakes the pod, or it is known who says no now, and the pod waits for
// that plugin as well: the rule holds again.

// Change is what happened to the cluster, as far as it may help a pod that did not fit.
type Change uint

const (
	nodeAdded Change = 1 << iota
	nodeRemoved
	nodeAllocatable
	nodeTaints // and spec.unschedulable
	nodeLabels
	podPlaced // or a placed pod's labels changed
	podRemoved
	namespacesLabelled // one came, went or changed its labels
	volumesChanged     // a claim, a volume or a class
	nodeImagesChanged  // which helps nobody, and changes scores
)

// nodeChanged are the changes of a node that filters can tell.
const nodeChanged = nodeAdded | nodeRemoved | nodeAllocatable | nodeTaints | nodeLabels

// event is a change with what changed.
type event struct {
	change Change
	node   string      // the name of the node, or of that of the pod; empty for a change of something else
	pod    *corev1.Pod // the pod that was placed, removed or changed; nil where it does not matter which
}

// waitsFor is what may help a parked pod.
type waitsFor struct {
	plugins []string
	// local are the changes of a node that may help there, global those that may help anywhere.
	local, global Change
}

// add has the pod wait for one more plugin.
func (w *waitsFor) add(p *Profile, plugin string) {
	if !slices.Contains(w.plugins, plugin) {
		*w = p.listens(append(w.plugins, plugin))
	}
}

// listens is what the plugins listen to. Where none rejected the pod there were no nodes. Whatever happens may change an
// extender's mind.
func (p *Profile) listens(plugins []string) waitsFor {
	w := waitsFor{plugins: plugins}
	if len(plugins) == 0 {
		w.local = nodeAdded
	}
	if slices.Contains(plugins, extenderPlugin) {
		w.global = ^Change(0)
	}
	for i := range p.filters {
		f := &p.filters[i]
		switch {
		case !slices.Contains(plugins, f.name):
		case f.comparesAll():
			w.global |= f.helps
		default:
			w.local |= f.helps
		}
	}
	return w
}

// asked remembers of one event what the node said to the shapes that asked; nil where it may help.
type asked map[*shape]*Rejection

// helped reports whether the event may help the parked pod. Where it does not, the pod waits for whoever rejects now the
// node that changed.
func (item *queuedPod) helped(e event, s *Snapshot, memory asked) bool {
	if (item.local|item.global)&e.change == 0 {
		return false
	}
	if item.claimsChanged(s) {
		if refused := item.shape.volumes.refused; refused != nil {
			item.add(item.profile, refused.Plugin)
			return false
		}
		return true
	}
	if item.global&e.change != 0 && item.helpedElsewhere(e) {
		return true
	}
	n := s.existing(e.node)
	if n == nil || item.local&e.change == 0 {
		return false
	}
	no, ok := memory[item.shape]
	if !ok {
		no = refuses(item.profile, item.shape, n)
		memory[item.shape] = no
	}
	if no != nil {
		item.add(item.profile, no.Plugin)
	}
	return no == nil
}

// helpedElsewhere asks the plugins that judge nodes by others: a change at one node may help at another.
func (item *queuedPod) helpedElsewhere(e event) bool {
	if slices.Contains(item.plugins, extenderPlugin) {
		return true
	}
	for i := range item.profile.filters {
		f := &item.profile.filters[i]
		if f.comparesAll() && f.helps&e.change != 0 && slices.Contains(item.plugins, f.name) &&
			(f.hint == nil || e.pod == nil || f.hint(item.shape, e.change, e.pod)) {
			return true
		}
	}
	return false
}

// claimsChanged reports whether the pod's claims ask something else than when the pod last looked, and has its shape ask
// that from now on.
func (item *queuedPod) claimsChanged(s *Snapshot) bool {
	if item.claimsAt == s.claimsAt {
		return false
	}
	item.claimsAt = s.claimsAt
	now := claimsKey(item.profile, s, item.pod)
	if now == item.claims {
		return false
	}
	fresh := *item.shape
	volumeBindingRow.prepare(&fresh, item.profile, s, item.pod)
	volumeRestrictionsRow.prepare(&fresh, item.profile, s, item.pod)
	item.shape, item.claims = &fresh, now
	return true
}

// claimsKey is what the pod's claims ask.
func claimsKey(p *Profile, s *Snapshot, pod *corev1.Pod) string {
	return string(appendVolumeRestrictions(appendVolumeBinding(nil, p, s, pod), p, s, pod))
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
