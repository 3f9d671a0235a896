package framework

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// VolumeRestrictions, as far as claims need it: one that is for a single pod has no other.
var volumeRestrictionsRow = plugin{
	name:       VolumeRestrictions,
	reads:      podClaimFields,
	clusterKey: appendVolumeRestrictions,
	prepare:    prepareVolumeRestrictions,
	check:      checkVolumeRestrictions,
	helps:      NodeAdded | PodRemoved | VolumesChanged,
}

// exclusiveClaims are those of the pod's claims that are for a single pod.
type exclusiveClaims struct {
	claims []types.NamespacedName
	users  []string // nodes of pods that have one of them, sorted
	// missing is the first claim that does not exist. Those that are made for the pod's ephemeral volumes are VolumeBinding's.
	missing string
}

func prepareVolumeRestrictions(s *shape, p *Profile, snapshot *Snapshot, pod *corev1.Pod) {
	s.exclusive = newExclusiveClaims(p, snapshot, pod)
	if s.exclusive.missing != "" {
		s.refuse(VolumeRestrictions, "persistentvolumeclaim %q not found", s.exclusive.missing)
	}
}

func newExclusiveClaims(p *Profile, snapshot *Snapshot, pod *corev1.Pod) exclusiveClaims {
	var e exclusiveClaims
	if !p.Filters[VolumeRestrictions] {
		return e
	}
	names, made := podClaims(pod)
	for _, name := range names {
		key := types.NamespacedName{Namespace: pod.Namespace, Name: name}
		claim := snapshot.claims[key]
		if claim == nil && !made[name] && e.missing == "" {
			e.missing = name
		}
		if claim == nil || made[name] || !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteOncePod) {
			continue
		}
		e.claims = append(e.claims, key)
		for node := range snapshot.claimUsers[key] {
			if snapshot.Node(node) != nil {
				e.users = append(e.users, node)
			}
		}
	}
	slices.Sort(e.users)
	return e
}

// appendVolumeRestrictions adds the claims that others have: the others are all the same to the plugin.
func appendVolumeRestrictions(b []byte, p *Profile, s *Snapshot, pod *corev1.Pod) []byte {
	e := newExclusiveClaims(p, s, pod)
	if e.missing != "" {
		b = appendWord(append(b, 'm'), e.missing)
	}
	if len(e.users) == 0 {
		return b
	}
	b = append(b, 'u')
	for _, node := range e.users {
		b = append(append(b, ' '), node...)
	}
	return appendJSON(b, e.claims)
}

// checkVolumeRestrictions: a claim with access mode ReadWriteOncePod is for one pod in the cluster.
func checkVolumeRestrictions(s *shape, n *NodeInfo) *Rejection {
	for _, node := range s.exclusive.users {
		if node == n.Node.Name && !n.usesAny(s.exclusive.claims) {
			continue // the user has left, or is left out of a dry run
		}
		return reject(VolumeRestrictions, false,
			"node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod")
	}
	return nil
}

func (n *NodeInfo) usesAny(claims []types.NamespacedName) bool {
	for _, p := range n.pods {
		for _, claim := range claims {
			if p.pod.Namespace == claim.Namespace && slices.Contains(p.claims, claim.Name) {
				return true
			}
		}
	}
	return false
}

// useClaims counts the claims of a pod on the node, sign times.
func (s *Snapshot) useClaims(p *podInfo, node string, sign int) {
	for _, name := range p.claims {
		s.claimsAt++
		key := types.NamespacedName{Namespace: p.pod.Namespace, Name: name}
		if s.claimUsers[key] == nil {
			s.claimUsers[key] = map[string]int{}
		}
		if s.claimUsers[key][node] += sign; s.claimUsers[key][node] == 0 {
			delete(s.claimUsers[key], node)
		}
		if len(s.claimUsers[key]) == 0 {
			delete(s.claimUsers, key)
		}
	}
}
