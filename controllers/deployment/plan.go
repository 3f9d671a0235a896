package deployment

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"minik.dev/controllers/loop"
)

// deploymentPlan is the next step for one Deployment, and why. A rollout is many such steps: each waits until the
// ReplicaSets have done what the one before asked of them.
type deploymentPlan struct {
	// Claims are the ReplicaSets to adopt and to release.
	Claims loop.Claims[*appsv1.ReplicaSet]
	// Create is the ReplicaSet for a template that had none; nil where there is one.
	Create       *appsv1.ReplicaSet
	CreateReason string
	// Update are the ReplicaSets to change, in this order.
	Update []replicaSetUpdate
	// Delete are old ReplicaSets beyond the history limit.
	Delete []replicaSetDeletion
	// Revision is what the Deployment's revision annotation should say; empty where it does.
	Revision string
	// Status is how the Deployment stands before any of this is done.
	Status appsv1.DeploymentStatus
	// Again is when the progress deadline passes; zero is never.
	Again time.Duration
}

// replicaSetUpdate is a ReplicaSet as it should be.
type replicaSetUpdate struct {
	Set *appsv1.ReplicaSet
	// From is its size until now.
	From   int32
	Reason string
}

// replicaSetDeletion is a ReplicaSet that is no longer needed.
type replicaSetDeletion struct {
	Set    *appsv1.ReplicaSet
	Reason string
}

// planDeployment finds the next step. Sets are the ReplicaSets that the Deployment controls and those of its namespace
// that nobody does; alive counts, by the UID of their ReplicaSet, the pods that have not ended, those that are terminating
// included. It fails where the strategy's numbers cannot be read.
func planDeployment(d *appsv1.Deployment, selector labels.Selector, sets []*appsv1.ReplicaSet, alive map[types.UID]int,
	now time.Time) (deploymentPlan, error) {
	owned := loop.PlanClaims(d, selector, sets)
	r, err := newRollout(d, slices.Concat(owned.Kept, owned.Adopt), alive, now)
	if err != nil {
		return deploymentPlan{}, err
	}
	progress := false
	switch {
	case d.DeletionTimestamp != nil:
	case d.Spec.Paused:
		r.describeNew()
		r.notePause()
		r.scale()
		r.cleanUp()
	case r.isScaling():
		r.describeNew()
		r.notePause()
		r.scale()
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		r.notePause()
		r.recreate()
		progress = true
	default:
		r.notePause()
		r.rollingUpdate()
		progress = true
	}
	plan := r.plan()
	plan.Claims = owned
	plan.Status = r.status()
	if progress {
		plan.Again = r.judgeProgress(&plan.Status)
	}
	return plan, nil
}

// rollout is a Deployment and its ReplicaSets while a step is being planned.
type rollout struct {
	d   *appsv1.Deployment
	now time.Time
	// surge and unavailable are how many pods may be above spec.replicas, and below. Both are zero for Recreate.
	surge, unavailable int32
	alive              map[types.UID]int
	// newest has the Deployment's template; nil while there is none. old are all others, oldest first.
	newest *set
	old    []*set
	// conditions of the status to be written.
	conditions []appsv1.DeploymentCondition
	deletions  []replicaSetDeletion
}

// set is a ReplicaSet under change.
type set struct {
	// ReplicaSet is a copy, as it should be.
	*appsv1.ReplicaSet
	// was is how it is; nil for one that is to be created.
	was *appsv1.ReplicaSet
	// reasons say of each change why.
	reasons []string
}

func newRollout(d *appsv1.Deployment, sets []*appsv1.ReplicaSet, alive map[types.UID]int,
	now time.Time) (*rollout, error) {
	r := &rollout{d: d, now: now, alive: alive, conditions: slices.Clone(d.Status.Conditions)}
	var err error
	if r.surge, r.unavailable, err = fenceposts(d); err != nil {
		return nil, err
	}
	newest := findNew(d, sets)
	for _, rs := range slices.SortedFunc(slices.Values(sets), olderFirst) {
		s := &set{ReplicaSet: rs.DeepCopy(), was: rs}
		if rs == newest {
			r.newest = s
		} else {
			r.old = append(r.old, s)
		}
	}
	return r, nil
}

// fenceposts reads maxSurge, where a percentage is rounded up, and maxUnavailable, where it is rounded down. Both zero
// would allow no step at all: then one pod may be unavailable. Upstream: "Deployments", Max Unavailable and Max Surge.
func fenceposts(d *appsv1.Deployment) (surge, unavailable int32, err error) {
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0, 0, nil
	}
	quarter := intstr.FromString("25%") // upstream's default for both
	strategy := ptr.Deref(d.Spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
	replicas := int(*d.Spec.Replicas)
	up, err := intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(strategy.MaxSurge, quarter)), replicas, true)
	if err != nil {
		return 0, 0, fmt.Errorf("reading maxSurge of Deployment %s: %w", d.Name, err)
	}
	down, err := intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(strategy.MaxUnavailable, quarter)), replicas, false)
	if err != nil {
		return 0, 0, fmt.Errorf("reading maxUnavailable of Deployment %s: %w", d.Name, err)
	}
	if up == 0 && down == 0 {
		down = 1
	}
	return int32(up), int32(min(down, replicas)), nil
}

// desired and most are the Deployment's size, and the pods it may have at once during a rollout.
func (r *rollout) desired() int32 { return *r.d.Spec.Replicas }

func (r *rollout) most() int32 {
	if r.desired() == 0 {
		return 0
	}
	return r.desired() + r.surge
}

// all are the old sets and then the newest.
func (r *rollout) all() []*set {
	sets := slices.Clone(r.old)
	if r.newest != nil {
		sets = append(sets, r.newest)
	}
	return sets
}

func (s *set) size() int32 { return *s.Spec.Replicas }

// resize gives the set a new size, for a reason.
func (r *rollout) resize(s *set, size int32, reason string) {
	s.Spec.Replicas = &size
	annotateSize(s.ReplicaSet, r.desired(), r.desired()+r.surge)
	s.reasons = append(s.reasons, reason)
}

// plan collects what has changed.
func (r *rollout) plan() deploymentPlan {
	plan := deploymentPlan{Delete: r.deletions}
	for _, s := range r.all() {
		switch {
		case s.was == nil:
			plan.Create, plan.CreateReason = s.ReplicaSet, s.reasons[0]
		case !apiequality.Semantic.DeepEqual(s.was.Spec, s.Spec) ||
			!apiequality.Semantic.DeepEqual(s.was.Annotations, s.Annotations):
			reason := "ReplicaSet " + s.Name + " is noted to belong to this size of its Deployment"
			if len(s.reasons) > 0 {
				reason = s.reasons[len(s.reasons)-1]
			}
			plan.Update = append(plan.Update, replicaSetUpdate{Set: s.ReplicaSet, From: *s.was.Spec.Replicas, Reason: reason})
		}
	}
	if r.newest != nil && r.d.DeletionTimestamp == nil {
		if revision := r.newest.Annotations[revisionAnnotation]; revision != r.d.Annotations[revisionAnnotation] {
			plan.Revision = revision
		}
	}
	return plan
}

// total sums a count over sets.
func total(sets []*set, count func(*set) int32) int32 {
	var sum int32
	for _, s := range sets {
		sum += count(s)
	}
	return sum
}

// available are the set's available pods that it keeps: those beyond its size are about to go.
func available(s *set) int32 { return min(s.size(), s.Status.AvailableReplicas) }
