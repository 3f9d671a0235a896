package backends

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/loop"
	"minik.dev/journal"
)

// ServiceOfSlice wakes the Service that a slice is labelled with, if the slice has the manager.
func ServiceOfSlice(manager string) func(slice, old *discoveryv1.EndpointSlice) []string {
	return func(slice, _ *discoveryv1.EndpointSlice) []string {
		if slice.Labels[discoveryv1.LabelManagedBy] != manager {
			return nil
		}
		return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}
	}
}

// SlicesOf are the slices of a Service that the manager has made.
func SlicesOf(
	lister discoverylisters.EndpointSliceLister, namespace, service, manager string,
) ([]*discoveryv1.EndpointSlice, error) {
	found, err := lister.EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: manager}))
	if err != nil {
		return nil, fmt.Errorf("listing the EndpointSlices of Service %s/%s: %w", namespace, service, err)
	}
	return found, nil
}

// SliceWrites carries out what is planned for the EndpointSlices of Services.
type SliceWrites struct {
	client kubernetes.Interface
	store  cache.Store
	// own: names come from the server, so a cache that is a moment old would have every slice made twice.
	own loop.OwnWrites
}

// NewSliceWrites waits for store, the cache of EndpointSlices, to show what client has written.
func NewSliceWrites(client kubernetes.Interface, store cache.Store) SliceWrites {
	return SliceWrites{client: client, store: store}
}

// Forget drops a Service that is gone.
func (w *SliceWrites) Forget(key string) { w.own.Forget(key) }

// Shown reports whether the cache shows all that was written for the key. It is asked before the cache is read.
func (w *SliceWrites) Shown(key string) bool { return w.own.ShownBy(w.store, key) }

// CarryOut creates before it deletes, so that an endpoint that moves from one slice to another is never in none.
func (w *SliceWrites) CarryOut(ctx context.Context, namespace, key string, plan SlicePlan) error {
	ctx = journal.WithReason(ctx, plan.Reason)
	client := w.client.DiscoveryV1().EndpointSlices(namespace)
	for _, slice := range plan.Create {
		created, err := client.Create(ctx, slice, metav1.CreateOptions{})
		if loop.NamespaceGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("creating an EndpointSlice of Service %s: %w", key, err)
		}
		w.own.Wrote(key, created)
	}
	for _, slice := range plan.Update {
		updated, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return loop.ErrBehind
		}
		if err != nil {
			return fmt.Errorf("updating EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		w.own.Wrote(key, updated)
	}
	for _, slice := range plan.Delete {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(slice.UID))}
		err := client.Delete(ctx, slice.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		w.own.Deleted(key, slice)
	}
	return nil
}
