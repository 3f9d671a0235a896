package garbagecollector

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ownerState is what has become of an owner.
type ownerState string

const (
	// ownerSolid exists, and stays.
	ownerSolid ownerState = "solid"
	// ownerAbsent is gone: the server has no object of that name and UID.
	ownerAbsent ownerState = "absent"
	// ownerWaiting is being deleted in the foreground: it waits for its dependents to go first.
	ownerWaiting ownerState = "waiting for its dependents"
	// ownerUnknown is of a kind that is not served, or cannot own this object: nothing is concluded from it.
	ownerUnknown ownerState = "of an unknown kind"
)

// gcVerb is what is to be done about one object.
type gcVerb string

const (
	gcNothing gcVerb = "nothing"
	// gcDelete the object, with action.Policy.
	gcDelete gcVerb = "delete"
	// gcDropOwners takes the references action.Owners out of the object.
	gcDropOwners gcVerb = "drop owners"
	// gcOrphanDependents takes the reference to the object out of its dependents, then the finalizer out of the object.
	gcOrphanDependents gcVerb = "orphan dependents"
	// gcRelease takes the finalizer foregroundDeletion out of the object: nothing holds it any more.
	gcRelease gcVerb = "release"
)

// gcAction is what is to be done about one object, and why.
type gcAction struct {
	Verb   gcVerb
	Policy metav1.DeletionPropagation
	// Unblock: the object and its dependents wait for each other, so it stops blocking its owners before it is deleted.
	Unblock bool
	// Owners to drop, by UID.
	Owners []types.UID
	Reason string
}

// classify decides what becomes of an object. owners gives for each owner reference, in order, what has become of the
// owner; dependents are the objects that name this one as their owner.
//
// An object with one owner that stays is never deleted. Neither is one of whose owners anything is unknown.
func classify(obj *gcObject, owners []ownerState, dependents []*gcObject) gcAction {
	if obj.Deleting {
		return classifyDeleting(obj, dependents)
	}
	byState := map[ownerState][]types.UID{}
	for i, ref := range obj.Owners {
		byState[owners[i]] = append(byState[owners[i]], ref.UID)
	}
	gone := append(byState[ownerAbsent], byState[ownerWaiting]...)
	counts := fmt.Sprintf("%d owners: %d stay, %d are absent, %d wait for their dependents, %d are unknown", len(obj.Owners),
		len(byState[ownerSolid]), len(byState[ownerAbsent]), len(byState[ownerWaiting]), len(byState[ownerUnknown]))
	switch {
	case len(obj.Owners) == 0:
		return gcAction{Verb: gcNothing, Reason: "no owners"}
	case len(byState[ownerUnknown]) > 0 || len(gone) == 0:
		return gcAction{Verb: gcNothing, Reason: counts}
	case len(byState[ownerSolid]) > 0:
		return gcAction{Verb: gcDropOwners, Owners: gone, Reason: counts}
	case len(byState[ownerWaiting]) > 0 && len(dependents) > 0:
		unblock := false
		for _, d := range dependents {
			unblock = unblock || d.waiting()
		}
		return gcAction{Verb: gcDelete, Policy: metav1.DeletePropagationForeground, Unblock: unblock,
			Reason: fmt.Sprintf("%s; it has %d dependents itself", counts, len(dependents))}
	}
	policy := metav1.DeletePropagationBackground
	switch {
	case obj.Orphan:
		policy = metav1.DeletePropagationOrphan
	case obj.Foreground:
		policy = metav1.DeletePropagationForeground
	}
	reason := counts
	if policy != metav1.DeletePropagationBackground {
		reason += fmt.Sprintf("; its finalizer asks for propagation %s", policy)
	}
	return gcAction{Verb: gcDelete, Policy: policy, Reason: reason}
}

// classifyDeleting: an object that is being deleted goes by itself, except where one of the two finalizers asks for its
// dependents to be seen to first.
func classifyDeleting(obj *gcObject, dependents []*gcObject) gcAction {
	switch {
	case obj.Orphan:
		return gcAction{Verb: gcOrphanDependents, Reason: fmt.Sprintf(
			"finalizer %s is set: %d dependents lose their owner", metav1.FinalizerOrphanDependents, len(dependents))}
	case obj.Foreground:
		blocking := 0
		for _, d := range dependents {
			if blocks(d, obj.UID) {
				blocking++
			}
		}
		reason := fmt.Sprintf("finalizer %s is set: %d of %d dependents block the deletion",
			metav1.FinalizerDeleteDependents, blocking, len(dependents))
		if blocking > 0 {
			return gcAction{Verb: gcNothing, Reason: reason}
		}
		return gcAction{Verb: gcRelease, Reason: reason}
	}
	return gcAction{Verb: gcNothing, Reason: "the object is being deleted already"}
}

// blocks reports whether the dependent holds up the deletion of its owner.
func blocks(dependent *gcObject, owner types.UID) bool {
	for _, ref := range dependent.Owners {
		if ref.UID == owner && ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion {
			return true
		}
	}
	return false
}
