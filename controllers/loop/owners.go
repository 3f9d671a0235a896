package loop

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"minik.dev/journal"
)

// Owners are the objects of one kind that own children of another, such as ReplicaSets their pods: which of them an event
// of a child wakes, and how they claim children.
type Owners[O metav1.Object, C child] struct {
	Kind schema.GroupVersionKind
	// Child is the word for a child in reasons and errors: "pod", "ReplicaSet".
	Child string
	// List are the namespace's owners, from the cache.
	List func(namespace string) ([]O, error)
	// Selector is the owner's.
	Selector func(owner O) *metav1.LabelSelector
	// Live reads an owner from the API server.
	Live func(ctx context.Context, namespace, name string) (O, error)
	// Patch sends a strategic merge patch and returns the child as it is now.
	Patch func(ctx context.Context, child C, patch []byte) (C, error)
}

type child interface {
	metav1.Object
	comparable
}

// OfChild wakes the owner that controls the child, the one that did before, and for a child without one all that would
// adopt it. It is a function for [On].
func (o *Owners[O, C]) OfChild(child, old C) []string {
	var keys []string
	key, controlled := o.controller(child)
	if key != "" {
		keys = append(keys, key)
	}
	if none := *new(C); old != none {
		if before, _ := o.controller(old); before != "" && before != key {
			keys = append(keys, before)
		}
	}
	if controlled {
		return keys
	}
	owners, err := o.List(child.GetNamespace())
	if err != nil {
		return keys
	}
	for _, owner := range owners {
		selector, err := metav1.LabelSelectorAsSelector(o.Selector(owner))
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(child.GetLabels())) {
			keys = append(keys, KeyOf(owner))
		}
	}
	return keys
}

// controller is the key of the child's controller, empty where it is of another kind, and whether it has one at all.
func (o *Owners[O, C]) controller(child C) (string, bool) {
	ref := metav1.GetControllerOfNoCopy(child)
	if ref == nil {
		return "", false
	}
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil || gv.Group != o.Kind.Group || ref.Kind != o.Kind.Kind {
		return "", true
	}
	return cache.NewObjectName(child.GetNamespace(), ref.Name).String(), true
}

// Claim adopts and releases, and notes in writes what it wrote.
func (o *Owners[O, C]) Claim(ctx context.Context, owner O, claims Claims[C], writes *OwnWrites) error {
	if len(claims.Adopt) > 0 {
		if err := o.mayAdopt(ctx, owner); err != nil {
			return err
		}
	}
	for _, child := range claims.Adopt {
		reason := fmt.Sprintf("%s %s has no controller and matches the selector of %s %s", o.Child, child.GetName(), o.Kind.Kind,
			owner.GetName())
		patch, err := adoptionPatch(owner, o.Kind, child.GetUID())
		if err == nil {
			err = o.patch(journal.WithReason(ctx, reason), owner, child, patch, writes)
		}
		if err != nil {
			return fmt.Errorf("adopting %s %s: %w", o.Child, KeyOf(child), err)
		}
	}
	for _, child := range claims.Release {
		reason := fmt.Sprintf("%s %s no longer matches the selector of %s %s", o.Child, child.GetName(), o.Kind.Kind, owner.GetName())
		patch, err := releasePatch(owner.GetUID(), child.GetUID())
		if err == nil {
			err = o.patch(journal.WithReason(ctx, reason), owner, child, patch, writes)
		}
		// A child that is gone needs no release; one whose UID differs is another by now.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) {
			return fmt.Errorf("releasing %s %s: %w", o.Child, KeyOf(child), err)
		}
	}
	return nil
}

func (o *Owners[O, C]) patch(ctx context.Context, owner O, child C, patch []byte, writes *OwnWrites) error {
	patched, err := o.Patch(ctx, child, patch)
	if err != nil {
		return err
	}
	writes.Wrote(KeyOf(owner), patched)
	return nil
}

// mayAdopt asks the API server, and not the cache, whether the owner is still there and wanted: an owner that is being
// deleted must not adopt what its deletion has just orphaned.
func (o *Owners[O, C]) mayAdopt(ctx context.Context, cached O) error {
	live, err := o.Live(ctx, cached.GetNamespace(), cached.GetName())
	switch {
	case err != nil:
		return fmt.Errorf("asking whether %s may adopt: %w", KeyOf(cached), err)
	case live.GetUID() != cached.GetUID():
		return fmt.Errorf("%s may not adopt: the cache has UID %s, the API server %s",
			KeyOf(cached), cached.GetUID(), live.GetUID())
	case live.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%s may not adopt: it is being deleted since %s", KeyOf(cached), live.GetDeletionTimestamp())
	}
	return nil
}
