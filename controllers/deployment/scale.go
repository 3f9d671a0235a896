package deployment

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// isScaling reports whether spec.replicas was changed since the ReplicaSets with pods were sized. Where several have pods
// under the strategy Recreate, all but the newest lose them in any case.
func (r *rollout) isScaling() bool {
	active := withPods(r.all())
	if len(active) > 1 && r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return false
	}
	for _, s := range active {
		if desired, ok := annotatedSize(s.ReplicaSet, desiredReplicasAnnotation); ok && desired != r.desired() {
			return true
		}
	}
	return false
}

// scale brings the ReplicaSets to a changed spec.replicas without rolling anything out. In the middle of a rollout, each
// gets its share. A paused Deployment is brought to it even where nobody has scaled it, but one of its ReplicaSets.
func (r *rollout) scale() {
	if s := r.activeOrLatest(); s != nil {
		noted, ok := annotatedSize(s.ReplicaSet, desiredReplicasAnnotation)
		if s.size() != r.desired() || ok && noted != r.desired() {
			r.scaleTo(s, r.desired())
		}
		return
	}
	if r.newIsSaturated() {
		for _, s := range withPods(r.old) {
			r.scaleTo(s, 0)
		}
		return
	}
	r.scaleInProportion()
}

// scaleTo sizes the set and notes for what size of the Deployment, even where its own does not change.
func (r *rollout) scaleTo(s *set, size int32) {
	r.resize(s, size, fmt.Sprintf("Deployment %s was scaled to %d: ReplicaSet %s has %d pods and gets %d",
		r.d.Name, r.desired(), s.Name, s.size(), size))
}

// activeOrLatest is the only ReplicaSet with pods; where none has pods, the newest; nil in the middle of a rollout.
func (r *rollout) activeOrLatest() *set {
	switch active := withPods(r.all()); {
	case len(active) == 1:
		return active[0]
	case len(active) > 1:
		return nil
	case r.newest != nil:
		return r.newest
	case len(r.old) > 0:
		return r.old[len(r.old)-1]
	}
	return nil
}

// newIsSaturated reports whether the newest ReplicaSet has all pods that are wanted, and all are available.
func (r *rollout) newIsSaturated() bool {
	if r.newest == nil {
		return false
	}
	noted, ok := annotatedSize(r.newest.ReplicaSet, desiredReplicasAnnotation)
	return ok && noted == r.desired() && r.newest.size() == r.desired() && available(r.newest) == r.desired()
}

// scaleInProportion spreads the pods to add or take over all ReplicaSets with pods, by their sizes, so that a rollout
// carries on with the same mixture and the same risk. What rounding leaves goes to the largest.
func (r *rollout) scaleInProportion() {
	sets := withPods(r.all())
	change := r.most() - total(sets, (*set).size)
	slices.SortStableFunc(sets, func(a, b *set) int {
		age := olderFirst(a.ReplicaSet, b.ReplicaSet)
		if change > 0 {
			age = -age // of two equals, the newer grows and the older shrinks
		}
		return cmp.Or(cmp.Compare(b.size(), a.size()), age)
	})
	sizes := make([]int32, len(sets))
	left := change
	for i, s := range sets {
		share := clampTo(r.share(s), left)
		sizes[i] = s.size() + share
		left -= share
	}
	for i, s := range sets {
		if i == 0 {
			sizes[i] = max(0, sizes[i]+left)
		}
		r.scaleTo(s, sizes[i])
	}
}

// share is by how much the set would grow or shrink to keep its part of the whole.
func (r *rollout) share(s *set) int32 {
	if r.desired() == 0 {
		return -s.size()
	}
	before, ok := annotatedSize(s.ReplicaSet, maxReplicasAnnotation)
	if !ok || before == 0 {
		before = r.d.Status.Replicas
	}
	if before == 0 {
		return 0
	}
	return int32(math.Round(float64(s.size())*float64(r.most())/float64(before))) - s.size()
}

// clampTo keeps a share within what is left to give out; one of the other sign gets nothing.
func clampTo(share, left int32) int32 {
	if left >= 0 {
		return max(0, min(share, left))
	}
	return min(0, max(share, left))
}
