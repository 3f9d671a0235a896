package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"minik.dev/journal"
)

// sliceWrites carries out what is planned for the EndpointSlices of Services.
type sliceWrites struct {
	client kubernetes.Interface
	store  cache.Store
	// own: names come from the server, so a cache that is a moment old would have every slice made twice.
	own ownWrites
}

func newSliceWrites(client kubernetes.Interface, store cache.Store) sliceWrites {
	return sliceWrites{client: client, store: store}
}

// forget drops a Service that is gone.
func (w *sliceWrites) forget(key string) { w.own.forget(key) }

// shown reports whether the cache shows all that was written for the key. It is asked before the cache is read.
func (w *sliceWrites) shown(key string) bool { return w.own.shownBy(w.store, key) }

// carryOut creates before it deletes, so that an endpoint that moves from one slice to another is never in none.
func (w *sliceWrites) carryOut(ctx context.Context, namespace, key string, plan endpointSlicePlan) error {
	ctx = journal.WithReason(ctx, plan.Reason)
	client := w.client.DiscoveryV1().EndpointSlices(namespace)
	for _, slice := range plan.Create {
		created, err := client.Create(ctx, slice, metav1.CreateOptions{})
		if goneNamespace(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("creating an EndpointSlice of Service %s: %w", key, err)
		}
		w.own.wrote(key, created)
	}
	for _, slice := range plan.Update {
		updated, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return errBehind
		}
		if err != nil {
			return fmt.Errorf("updating EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		w.own.wrote(key, updated)
	}
	for _, slice := range plan.Delete {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(slice.UID))}
		err := client.Delete(ctx, slice.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		w.own.deleted(key, slice)
	}
	return nil
}
