package loop

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// RolloutStatus is how far an object is on the way to what its spec asks for, for those who wait for it.
type RolloutStatus struct {
	Ready, Want int32
	State       RolloutState
	Why         string // a sentence; empty once available
	// Pods selects those whose own state explains why the object waits or has failed; nil selects none.
	Pods *metav1.LabelSelector
}

// RolloutState is one of the following.
type RolloutState int

const (
	// Waiting is an object that is not there yet.
	Waiting RolloutState = iota
	// Available is an object that is what its spec asks for.
	Available
	// Failed is an object that will not become available by itself.
	Failed
	// NotAwaited is an object that has nothing to become.
	NotAwaited
)

// RolloutOf makes a function about one Go type fit for [Row.RolloutStatus]. It panics about an object of another type.
func RolloutOf[T runtime.Object](status func(T) RolloutStatus) func(runtime.Object) RolloutStatus {
	return func(object runtime.Object) RolloutStatus { return status(object.(T)) }
}

// ReplicasRollout is what the workloads of several pods have in common: their controller has seen the newest spec, and as
// many replicas are available as the spec asks for.
func ReplicasRollout(owner metav1.Object, replicas *int32, available int32, observed int64,
	selector *metav1.LabelSelector) RolloutStatus {
	want := ptr.Deref(replicas, 1) // the default that upstream documents
	status := RolloutStatus{Ready: min(available, want), Want: want, State: Available}
	switch {
	case observed < owner.GetGeneration():
		status.State, status.Why = Waiting, "its controller has not seen it yet"
	case available < want:
		status.State, status.Why = Waiting, fmt.Sprintf("%d of %d replicas are available", available, want)
		status.Pods = selector
	}
	return status
}
