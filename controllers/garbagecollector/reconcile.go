package garbagecollector

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/metadata"

	"minik.dev/controllers/deletable"
	"minik.dev/controllers/loop"
	"minik.dev/events"
	"minik.dev/journal"
)

const (
	// parallelOrphans bounds the dependents that are set free at the same time.
	parallelOrphans = 20
	// maxAbsent bounds the owners remembered as gone.
	maxAbsent = 500
	// retryUnknown is when an object is looked at again whose owner is of a kind that is not served.
	retryUnknown = 30 * time.Second
)

// garbageCollector deletes what has lost its owners.
type garbageCollector struct {
	metadata metadata.Interface
	events   *events.Writer
	graph    *graph
	watching *gcInformers

	mu sync.Mutex
	// absent are the owners that the server was asked for in vain; a UID never comes back. order is their age.
	absent map[absentOwner]bool
	order  []absentOwner
}

// absentOwner is an owner as it was looked for: a UID may exist and yet be absent from a namespace.
type absentOwner struct {
	uid                   types.UID
	namespace, name, kind string
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	meta, err := metadata.NewForConfig(e.Config)
	if err != nil {
		return loop.Controller{}, fmt.Errorf("making a client for metadata: %w", err)
	}
	return newGarbageCollectorFor(e, meta), nil
}

func newGarbageCollectorFor(e loop.Env, meta metadata.Interface) loop.Controller {
	gc := &garbageCollector{metadata: meta, events: e.Events, graph: newGraph(), absent: map[absentOwner]bool{}}
	gc.watching = newGCInformers(e, meta, gc.graph)
	return loop.Controller{Source: gc.watching.run, Reconcile: gc.reconcile, Show: gc.show}
}

// show names the object that has the UID.
func (gc *garbageCollector) show(key string) string {
	if known, _ := gc.graph.get(types.UID(key)); known != nil {
		return known.String()
	}
	return "the object that had UID " + key
}

func (gc *garbageCollector) reconcile(ctx context.Context, key string) error {
	known, dependents := gc.graph.get(types.UID(key))
	if known == nil || known.Deleting && !known.Orphan && !known.Foreground {
		return nil
	}
	kind := deletable.Kind{Resource: known.Resource, Kind: known.Kind}
	latest, err := gc.client(known).Get(ctx, known.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && latest.UID != known.UID) {
		return nil // Its deletion is on the way as an event.
	}
	if err != nil {
		return fmt.Errorf("getting %s: %w", known, err)
	}
	obj := newGCObject(kind, latest)
	owners := make([]ownerState, len(obj.Owners))
	for i, ref := range obj.Owners {
		if owners[i], err = gc.ownerState(ctx, obj, latest, ref); err != nil {
			return err
		}
	}
	action := classify(obj, owners, dependents)
	if err := gc.carryOut(journal.WithReason(ctx, action.Reason), obj, latest, dependents, action); err != nil {
		return err
	}
	if slices.Contains(owners, ownerUnknown) {
		return loop.RequeueAfter(retryUnknown)
	}
	return nil
}

// ownerState finds out what has become of an owner: from the graph where it is known there, else from the server.
func (gc *garbageCollector) ownerState(
	ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata, ref metav1.OwnerReference,
) (ownerState, error) {
	owner := gc.graph.object(ref.UID)
	if owner != nil && refersTo(obj, ref, owner) {
		return stateOf(owner), nil
	}
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return ownerUnknown, nil
	}
	kind, served := gc.watching.kind(version.WithKind(ref.Kind))
	if !served || (kind.Namespaced && obj.Namespace == "") {
		return ownerUnknown, nil
	}
	namespace := ""
	if kind.Namespaced {
		namespace = obj.Namespace
	}
	if owner != nil && owner.Namespace != namespace {
		about := &metav1.PartialObjectMetadata{ObjectMeta: latest.ObjectMeta}
		about.SetGroupVersionKind(obj.Resource.GroupVersion().WithKind(obj.Kind))
		gc.events.Warning(about, "OwnerRefInvalidNamespace", "ownerRef %s does not exist in namespace %q",
			refString(ref, namespace), namespace)
	}
	id := absentOwner{uid: ref.UID, namespace: namespace, name: ref.Name, kind: ref.APIVersion + "/" + ref.Kind}
	if gc.isAbsent(id) {
		return ownerAbsent, nil
	}
	live, err := gc.metadata.Resource(kind.Resource).Namespace(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || (err == nil && live.UID != ref.UID):
		gc.setAbsent(id)
		return ownerAbsent, nil
	case err != nil:
		return ownerUnknown, fmt.Errorf("getting owner %s of %s: %w", refString(ref, namespace), obj, err)
	}
	return stateOf(newGCObject(kind, live)), nil
}

func stateOf(owner *gcObject) ownerState {
	if owner.waiting() {
		return ownerWaiting
	}
	return ownerSolid
}

func refString(ref metav1.OwnerReference, namespace string) string {
	return (&gcObject{APIVersion: ref.APIVersion, Kind: ref.Kind, Namespace: namespace, Name: ref.Name, UID: ref.UID}).String()
}

func (gc *garbageCollector) isAbsent(id absentOwner) bool {
	gc.mu.Lock()
	defer gc.mu.Unlock()
	return gc.absent[id]
}

func (gc *garbageCollector) setAbsent(id absentOwner) {
	gc.mu.Lock()
	defer gc.mu.Unlock()
	if gc.absent[id] {
		return
	}
	if len(gc.order) == maxAbsent {
		delete(gc.absent, gc.order[0])
		gc.order = gc.order[1:]
	}
	gc.absent[id] = true
	gc.order = append(gc.order, id)
}

func (gc *garbageCollector) client(obj *gcObject) metadata.ResourceInterface {
	return gc.metadata.Resource(obj.Resource).Namespace(obj.Namespace)
}

func (gc *garbageCollector) carryOut(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata,
	dependents []*gcObject, action gcAction) error {
	switch action.Verb {
	case gcDelete:
		if action.Unblock {
			if err := gc.unblock(ctx, obj, latest); err != nil {
				return err
			}
		}
		return gc.delete(ctx, obj, latest, action.Policy)
	case gcDropOwners:
		return gc.dropOwners(ctx, obj, latest, action.Owners)
	case gcOrphanDependents:
		if err := gc.orphan(ctx, obj, dependents); err != nil {
			return err
		}
		return gc.dropFinalizer(ctx, obj, latest, metav1.FinalizerOrphanDependents)
	case gcRelease:
		return gc.dropFinalizer(ctx, obj, latest, metav1.FinalizerDeleteDependents)
	}
	return nil
}

// delete is void when the object has changed since it was read: its owners may be others now.
func (gc *garbageCollector) delete(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata,
	policy metav1.DeletionPropagation) error {
	options := metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: metav1.NewUIDPreconditions(string(obj.UID))}
	if latest.ResourceVersion != "" {
		options.Preconditions.ResourceVersion = &latest.ResourceVersion
	}
	if err := gc.client(obj).Delete(ctx, obj.Name, options); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s: %w", obj, err)
	}
	return nil
}

// unblock lets the object's owners go before the object does.
func (gc *garbageCollector) unblock(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata) error {
	refs := slices.Clone(latest.OwnerReferences)
	for i := range refs {
		no := false
		refs[i].BlockOwnerDeletion = &no
	}
	patched, err := gc.patch(ctx, obj, latest, map[string]any{"ownerReferences": refs})
	if patched != nil {
		*latest = *patched
	}
	return err
}

func (gc *garbageCollector) dropOwners(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata,
	owners []types.UID) error {
	drop := sets.New(owners...) // an object may have thousands
	refs := slices.DeleteFunc(slices.Clone(latest.OwnerReferences), func(ref metav1.OwnerReference) bool {
		return drop.Has(ref.UID)
	})
	_, err := gc.patch(ctx, obj, latest, map[string]any{"ownerReferences": refs})
	return err
}

func (gc *garbageCollector) dropFinalizer(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata,
	finalizer string) error {
	rest := slices.DeleteFunc(slices.Clone(latest.Finalizers), func(f string) bool { return f == finalizer })
	_, err := gc.patch(ctx, obj, latest, map[string]any{"finalizers": rest})
	return err
}

// orphan sets the dependents free.
func (gc *garbageCollector) orphan(ctx context.Context, owner *gcObject, dependents []*gcObject) error {
	group := errgroup.Group{}
	group.SetLimit(parallelOrphans)
	for _, d := range dependents {
		group.Go(func() error {
			latest, err := gc.client(d).Get(ctx, d.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) || (err == nil && latest.UID != d.UID) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("getting %s, a dependent of %s: %w", d, owner, err)
			}
			return gc.dropOwners(ctx, d, latest, []types.UID{owner.UID})
		})
	}
	return group.Wait()
}

// patch changes the metadata as it was read: the patch names the resourceVersion, so that it never undoes another's write.
func (gc *garbageCollector) patch(ctx context.Context, obj *gcObject, latest *metav1.PartialObjectMetadata,
	fields map[string]any) (*metav1.PartialObjectMetadata, error) {
	fields["uid"] = latest.UID
	if latest.ResourceVersion != "" {
		fields["resourceVersion"] = latest.ResourceVersion
	}
	body, err := json.Marshal(map[string]any{"metadata": fields})
	if err != nil {
		return nil, fmt.Errorf("encoding a patch of %s: %w", obj, err)
	}
	patched, err := gc.client(obj).Patch(ctx, obj.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("patching %s: %w", obj, err)
	}
	return patched, nil
}
