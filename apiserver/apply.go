package apiserver

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// apply is server-side apply: the body says what its field manager wants, and the library merges it with what others want.
// An object that is not there is made.
func (s *Server) apply(r *request, data []byte) error {
	wanted, force, err := s.applied(r, data)
	if err != nil {
		return err
	}
	manager, err := s.fields.Of(r.row, r.document(), r.subresource)
	if err != nil {
		return err
	}
	if r.part() {
		return s.applyPart(r, manager, wanted, force)
	}
	merge := func(current resources.Object) (resources.Object, error) {
		merged, err := manager.Apply(current, wanted.DeepCopy(), r.URL.Query().Get("fieldManager"), force)
		if err != nil {
			return nil, r.notMerged(err)
		}
		obj := merged.(resources.Object)
		if r.served != nil && r.row.Default != nil { // the library gave the other version its defaults, which are none
			r.row.Default(obj)
		}
		return obj, nil
	}
	for attempt := 1; ; attempt++ {
		written, err := s.mutate(r, "patch", func(current resources.Object) (resources.Object, bool, error) {
			current = current.DeepCopyObject().(resources.Object)
			next, err := merge(current)
			if err != nil || r.sub == nil {
				return next, true, err
			}
			managed := next.GetManagedFields()
			if next, err = s.placed(r, current, next); err == nil {
				next.SetManagedFields(managed)
			}
			return next, true, err
		})
		if err == nil {
			return s.answerChanged(r, written)
		}
		if !errors.Is(err, store.ErrNotFound) || r.sub != nil {
			return err
		}
		err = s.applyNew(r, wanted.GetUID(), merge)
		if !errors.Is(err, store.ErrExists) || attempt == attempts { // else somebody else was faster to make it
			return err
		}
	}
}

// notMerged words what the library says of a configuration that it can't merge, for example of a field that no schema has. The
// words are upstream's, which answers 500 where it is the client's mistake.
func (r *request) notMerged(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return apierrors.NewBadRequest(r.told(err))
}

// applyPart applies to a subresource with a body of its own, a Scale: who owns its replicas owns those of the object.
func (s *Server) applyPart(r *request, manager *managedfields.FieldManager, wanted *unstructured.Unstructured,
	force bool) error {
	version := r.row.Kind.GroupVersion()
	replicas := managedfields.ResourcePathMappings{version.String(): fieldpath.MakePathOrDie("spec", "replicas")}
	written, err := s.mutate(r, "patch", func(current resources.Object) (resources.Object, bool, error) {
		shown, err := r.sub.Get(current)
		if err != nil {
			return nil, false, err
		}
		owners := managedfields.NewScaleHandler(current.GetManagedFields(), version, replicas)
		owned, err := owners.ToSubresource()
		if err != nil {
			return nil, false, fmt.Errorf("reading who owns the replicas of %s: %w", r.name, err)
		}
		shown.(resources.Object).SetManagedFields(owned)
		merged, err := manager.Apply(shown, wanted.DeepCopy(), r.URL.Query().Get("fieldManager"), force)
		if err != nil {
			return nil, false, r.notMerged(err)
		}
		next, err := s.placed(r, current, merged)
		if err != nil {
			return nil, false, err
		}
		if owned, err = owners.ToParent(merged.(resources.Object).GetManagedFields()); err != nil {
			return nil, false, fmt.Errorf("noting who owns the replicas of %s: %w", r.name, err)
		}
		next.SetManagedFields(owned)
		return next, true, nil
	})
	if err != nil {
		return err
	}
	return s.answerChanged(r, written)
}

// applyNew makes the object that is applied and not there.
func (s *Server) applyNew(r *request, uid types.UID, merge func(resources.Object) (resources.Object, error)) error {
	if err := s.mayCreate(r); err != nil {
		return err
	}
	if uid != "" {
		return apierrors.NewConflict(r.gr(), r.name, fmt.Errorf(
			"uid mismatch: the provided object specified uid %s, and no existing object was found", uid))
	}
	empty := r.row.New()
	empty.SetName(r.name)
	empty.SetNamespace(r.namespace)
	made, err := merge(empty)
	if err != nil {
		return err
	}
	made.SetResourceVersion("")
	return s.createObject(r, made, true)
}

// applied reads an apply request: the object, and whether fields may be taken from other managers.
func (s *Server) applied(r *request, data []byte) (*unstructured.Unstructured, bool, error) {
	options, err := patchOptions(r.URL.Query())
	if err != nil {
		return nil, false, apierrors.NewBadRequest(err.Error())
	}
	// The body is decoded into the Go type first, for the same judgement of unknown fields as everywhere.
	var shape runtime.Object = r.in()
	if r.part() {
		shape = r.sub.New()
	}
	document := r.document()
	if _, err := s.decode(r, mediaYAML, data, document, shape); err != nil {
		return nil, false, err
	}
	wanted := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal(data, &wanted.Object); err != nil {
		return nil, false, apierrors.NewBadRequest("error decoding YAML: " + r.told(err))
	}
	if err := boundMembers(len(data), wanted.Object); err != nil {
		return nil, false, err
	}
	if v := wanted.GetAPIVersion(); v == "" || wanted.GetKind() == "" {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("incorrect version specified in apply patch. Specified patch "+
			"version: %s, kind: %s, expected: %s, %s", v, wanted.GetKind(), document.GroupVersion(), document.Kind))
	}
	if managed, there, err := unstructured.NestedFieldNoCopy(wanted.Object, "metadata", "managedFields"); err != nil ||
		there && managed != nil {
		return nil, false, apierrors.NewBadRequest("metadata.managedFields must be nil")
	}
	if wanted.GetName() == "" {
		wanted.SetName(r.name)
	}
	if wanted.GetName() != r.name {
		return nil, false, r.nameMatches(wanted)
	}
	if err := r.settle(wanted); err != nil {
		return nil, false, err
	}
	return wanted, ptr.Deref(options.Force, false), nil
}
