package deployment

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// ensureNew makes the ReplicaSet of the Deployment's template where there is none, with as many pods as may be started at
// once; and keeps its description up to date.
func (r *rollout) ensureNew() {
	if r.newest != nil {
		r.describeNew()
		r.noteFound()
		return
	}
	rs := newReplicaSet(r.d)
	annotateNew(r.d, rs, unwrap(r.old))
	r.newest = &set{ReplicaSet: rs}
	size := r.newSize()
	r.resize(r.newest, size, fmt.Sprintf("Deployment %s has a template that none of its %d ReplicaSets has; "+
		"it wants %d pods, has %d and may have %d, so the new one gets %d",
		r.d.Name, len(r.old), r.desired(), total(r.old, (*set).pods), r.most(), size))
	r.noteCreated()
}

// describeNew keeps annotations, revision and minReadySeconds of the newest ReplicaSet up to date.
func (r *rollout) describeNew() {
	if r.newest == nil {
		return
	}
	if reason := annotateNew(r.d, r.newest.ReplicaSet, unwrap(r.old)); reason != "" {
		r.newest.reasons = append(r.newest.reasons, reason)
	}
	if have, want := r.newest.Spec.MinReadySeconds, r.d.Spec.MinReadySeconds; have != want {
		r.newest.Spec.MinReadySeconds = want
		r.newest.reasons = append(r.newest.reasons, fmt.Sprintf("minReadySeconds of Deployment %s is %d, of its ReplicaSet %d",
			r.d.Name, want, have))
	}
}

// newSize is how many pods the newest ReplicaSet may have now: all that are wanted, as far as the surge lets them be
// started beside those of the old ones.
func (r *rollout) newSize() int32 {
	size := r.newest.size()
	if r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return r.desired()
	}
	room := r.desired() + r.surge - total(r.all(), (*set).pods)
	if room <= 0 || !r.observed() {
		return size
	}
	return size + min(room, r.desired()-size)
}

// observed reports whether every ReplicaSet has acted on its present size. Until then their counts belong to an earlier
// one, and a step that is taken on them could leave too few pods or too many. Real Kubernetes does not wait for this, and
// may overstep its limits for a moment.
func (r *rollout) observed() bool {
	return !slices.ContainsFunc(r.all(), func(s *set) bool {
		return s.was != nil && s.was.Generation > s.was.Status.ObservedGeneration
	})
}

// pods are how many pods the set has or is about to have.
func (s *set) pods() int32 { return max(s.size(), s.Status.Replicas) }

// rollingUpdate replaces pods of the old ReplicaSets by pods of the newest, a few at a time. It takes one kind of step:
// it sizes the newest, or else shrinks old ones.
func (r *rollout) rollingUpdate() {
	r.ensureNew()
	if r.sizeNew() || r.shrinkOld() {
		return
	}
	r.cleanUpIfComplete()
}

// sizeNew brings the newest ReplicaSet nearer to the wanted size.
func (r *rollout) sizeNew() bool {
	have, want := r.newest.size(), r.desired()
	size := want
	if have < want {
		size = r.newSize()
	}
	if size == have {
		return false
	}
	r.resize(r.newest, size, fmt.Sprintf("Deployment %s wants %d pods of ReplicaSet %s, which has %d; "+
		"all its ReplicaSets have %d, and may have %d", r.d.Name, want, r.newest.Name, have,
		total(r.all(), (*set).pods), r.most()))
	return true
}

// shrinkOld takes pods from the old ReplicaSets: first those that are not available anyway, then as many of the others as
// leaves enough available pods in all.
func (r *rollout) shrinkOld() bool {
	if total(r.old, (*set).size) == 0 || !r.observed() {
		return false
	}
	least := r.desired() - r.unavailable
	newUnavailable := r.newest.size() - available(r.newest)
	// Pods that are started and not yet available count as if they were missing.
	atMost := total(r.all(), (*set).size) - least - newUnavailable
	if atMost <= 0 {
		return false
	}
	shrunk := r.dropUnhealthy(atMost)
	spare := total(r.all(), available) - least
	for _, s := range r.old {
		if spare <= 0 {
			break
		}
		take := min(s.size(), spare)
		if take == 0 {
			continue
		}
		r.resize(s, s.size()-take, fmt.Sprintf("Deployment %s has %d available pods and needs %d, so %d of ReplicaSet %s may go",
			r.d.Name, total(r.all(), available), least, take, s.Name))
		spare -= take
		shrunk = true
	}
	return shrunk
}

// dropUnhealthy takes at most n pods that old ReplicaSets have and that are not available: a rollout that is stuck on a
// broken template is mended without waiting for it.
func (r *rollout) dropUnhealthy(n int32) bool {
	var dropped bool
	for _, s := range r.old {
		take := min(n, s.size()-available(s))
		if take <= 0 {
			continue
		}
		r.resize(s, s.size()-take, fmt.Sprintf("%d of the %d pods of old ReplicaSet %s are not available, so %d may go",
			s.size()-available(s), s.size(), s.Name, take))
		n -= take
		dropped = true
	}
	return dropped
}

// recreate ends all old pods, waits until they are gone, and only then starts new ones.
func (r *rollout) recreate() {
	r.describeNew()
	var shrunk bool
	for _, s := range r.old {
		if size := s.size(); size > 0 {
			r.resize(s, 0, fmt.Sprintf("Deployment %s recreates its pods: the %d of old ReplicaSet %s go first",
				r.d.Name, size, s.Name))
			shrunk = true
		}
	}
	if shrunk || r.oldPodsRemain() {
		return
	}
	r.ensureNew()
	if have, want := r.newest.size(), r.desired(); have != want {
		r.resize(r.newest, want, fmt.Sprintf("Deployment %s wants %d pods of ReplicaSet %s, which has %d; no old pod is left",
			r.d.Name, want, r.newest.Name, have))
		return
	}
	r.cleanUpIfComplete()
}

func (r *rollout) oldPodsRemain() bool {
	for _, s := range r.old {
		if s.Status.Replicas > 0 || r.alive[s.UID] > 0 {
			return true
		}
	}
	return false
}

// cleanUp deletes old ReplicaSets beyond the history limit.
func (r *rollout) cleanUp() {
	var old []*appsv1.ReplicaSet
	for _, s := range r.old {
		if s.size() == *s.was.Spec.Replicas { // one that changes in this step is not done yet
			old = append(old, s.was)
		}
	}
	r.deletions = chooseHistory(r.d, old)
}

func (r *rollout) cleanUpIfComplete() {
	if complete(r.d, r.status()) {
		r.cleanUp()
	}
}

func withPods(sets []*set) []*set {
	return slices.DeleteFunc(slices.Clone(sets), func(s *set) bool { return s.size() == 0 })
}

func unwrap(sets []*set) []*appsv1.ReplicaSet {
	var out []*appsv1.ReplicaSet
	for _, s := range sets {
		out = append(out, s.ReplicaSet)
	}
	return out
}
