package scheduler

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// checkVolumeRestrictions: a claim with access mode ReadWriteOncePod is for one pod in the cluster.
func checkVolumeRestrictions(s *shape, n *NodeInfo) *Rejection {
	for _, node := range s.volumes.users {
		if node == n.Node.Name && !n.usesAny(s.volumes.unshared) {
			continue // the user has left, or is left out in a trial
		}
		return reject(VolumeRestrictions, false,
			"node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode")
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
