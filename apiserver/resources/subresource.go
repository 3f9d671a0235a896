package resources

import (
	"fmt"
	"maps"
	"slices"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/printers"
)

// Way is how a subresource is served.
type Way string

// The ways of subresources that are no part of their object. They have none of Get, Apply and Create.
const (
	Part    Way = ""        // by Get, Apply and Create
	Evicts  Way = "evicts"  // what is posted deletes the pod, if its budget lets it go
	Logs    Way = "logs"    // what a container has written is read from the pod's node
	Streams Way = "streams" // the connection is passed on to the pod's node as it is
	Proxies Way = "proxies" // any request is passed on to what the object itself serves
)

// MetaCheck is how much of the metadata a write of a subresource has checked.
type MetaCheck string

// The kinds of check.
const (
	UpdatedMeta MetaCheck = ""      // what holds of every update, and the finalizers
	BareMeta    MetaCheck = "bare"  // what holds of every update
	WholeMeta   MetaCheck = "whole" // as in a write of the whole object
)

// Subresource is a part of an object with a path of its own: get asks for Get, update and patch for Apply, create for
// Create. Or it is something else that is done with the object: its Way says what.
type Subresource struct {
	Name string
	Way  Way
	// Kind is the kind of the body, for example autoscaling/v1 Scale; zero means the object itself.
	Kind schema.GroupVersionKind
	// Verbs that are served, as discovery lists them.
	Verbs []string
	// Resets are the fields that a write of the subresource leaves as they are, such as "spec" or "metadata.labels", as
	// upstream's strategies list them: nobody comes to own them by it. The rest of the metadata, where the body is the object
	// itself, is taken over from it: upstream lets whoever may write a status write labels, annotations, finalizers and owners.
	Resets []string
	// New makes an empty body; nil means the object itself.
	New func() runtime.Object
	// Get shows the subresource of the object.
	Get func(obj Object) (runtime.Object, error)
	// Apply writes the body into obj, which starts as a copy of what is stored.
	Apply func(obj Object, body runtime.Object) error
	// Create writes the posted body into obj, which starts as a copy of what is stored, and returns the answer.
	Create func(obj Object, body runtime.Object, now time.Time) (runtime.Object, error)
	// Validate checks the object after Apply; nil means the object's own Validate.
	Validate func(obj, old Object) field.ErrorList
	// SpecAnnotations stay as they are: they stand for fields of the spec that only older versions had.
	SpecAnnotations []string
	// Meta says how much of the metadata is checked, as upstream's strategies differ.
	Meta MetaCheck
	// Warn returns what upstream answers in Warning headers to a write of the subresource; nil is nothing.
	Warn func(obj, old Object) []string
	// Columns and Cells are the table of a body that is not the object itself; nil means that there is none.
	Columns []metav1.TableColumnDefinition
	Cells   func(body runtime.Object, now time.Time) []any
}

// readWrite are the verbs of a subresource that is shown and written, such as status.
var readWrite = []string{"get", "patch", "update"}

// Status is the subresource that most kinds have: it shows the whole object, and writes its status, and its metadata but for
// what keeps names.
func Status[T Object](apply func(obj, body T), validate func(obj, old T) field.ErrorList, keeps ...string) Subresource {
	return PartOf("status", append([]string{"spec"}, keeps...), apply, validate)
}

// PartOf is a subresource that shows the whole object, and writes the part of it that apply takes over from the body.
func PartOf[T Object](name string, resets []string, apply func(obj, body T),
	validate func(obj, old T) field.ErrorList) Subresource {
	return Subresource{
		Name:   name,
		Verbs:  readWrite,
		Resets: resets,
		Get:    func(obj Object) (runtime.Object, error) { return obj, nil },
		Apply: func(obj Object, body runtime.Object) error {
			from, ok := body.(T)
			if !ok {
				return apierrors.NewBadRequest(fmt.Sprintf("the body is a %T where a %T belongs", body, obj))
			}
			apply(obj.(T), from)
			return nil
		},
		Validate: Check(validate),
	}
}

// WithWarn answers writes with warnings.
func (s Subresource) WithWarn(warn func(obj, old Object) []string) Subresource {
	s.Warn = warn
	return s
}

// WithSpecAnnotations keeps the annotations as they are.
func (s Subresource) WithSpecAnnotations(keys ...string) Subresource {
	s.SpecAnnotations = keys
	return s
}

// WithMeta says how much of the metadata is checked.
func (s Subresource) WithMeta(check MetaCheck) Subresource {
	s.Meta = check
	return s
}

// Place is the current object with the body of a write written into it: the subresource, the metadata that such a write takes over, and
// what the body asks the current one to be.
func (s *Subresource) Place(current Object, body runtime.Object) (Object, error) {
	obj := current.DeepCopyObject().(Object)
	if from, ok := body.(Object); ok {
		obj.SetResourceVersion(from.GetResourceVersion())
		if uid := from.GetUID(); uid != "" {
			obj.SetUID(uid)
		}
		if s.Kind.Empty() { // the object itself
			s.takeMetadata(obj, from)
		}
	}
	if err := s.Apply(obj, body); err != nil {
		return nil, err
	}
	return obj, nil
}

// Mistakes are all that a write of the subresource makes of an object that was old before.
func (s *Subresource) Mistakes(row *Resource, obj, old Object) field.ErrorList {
	var errs field.ErrorList
	switch s.Meta {
	case WholeMeta:
		errs = ValidateMeta(row, obj, old)
	case BareMeta:
		errs = metaUpdate(row, obj, old)
	default:
		errs = append(metaUpdate(row, obj, old), metaFinalizers(row, obj)...)
	}
	return append(errs, s.Validate(obj, old)...)
}

// Warnings are what a write of the subresource is answered with besides the object.
func (s *Subresource) Warnings(obj, old Object) []string {
	if s.Warn == nil {
		return nil
	}
	return s.Warn(obj, old)
}

// takeMetadata gives obj what a write of the subresource takes over of the body's metadata. What the name was made of is kept only where it
// is named itself: few of upstream's strategies do so.
func (s *Subresource) takeMetadata(obj, body Object) {
	if !slices.Contains(s.Resets, "metadata.generateName") {
		obj.SetGenerateName(body.GetGenerateName())
	}
	for _, part := range []struct {
		field string
		take  func()
	}{
		{"labels", func() { obj.SetLabels(body.GetLabels()) }},
		{"annotations", func() { obj.SetAnnotations(s.annotations(obj.GetAnnotations(), body.GetAnnotations())) }},
		{"finalizers", func() { obj.SetFinalizers(body.GetFinalizers()) }},
		{"ownerReferences", func() { obj.SetOwnerReferences(body.GetOwnerReferences()) }},
	} {
		if !slices.Contains(s.Resets, "metadata") && !slices.Contains(s.Resets, "metadata."+part.field) {
			part.take()
		}
	}
}

// annotations are those of the body, but for what stands for a field of the spec.
func (s *Subresource) annotations(old, body map[string]string) map[string]string {
	for _, key := range s.SpecAnnotations {
		value, had := old[key]
		if now, ok := body[key]; had == ok && value == now {
			continue
		}
		if body = maps.Clone(body); !had {
			delete(body, key)
			continue
		}
		if body == nil {
			body = map[string]string{}
		}
		body[key] = value
	}
	return body
}

// Proxied is the subresource behind which lies what the object itself serves over HTTP, in whatever it says.
func Proxied(options string) Subresource {
	return Subresource{
		Name: "proxy", Way: Proxies, Kind: corev1.SchemeGroupVersion.WithKind(options),
		Verbs: []string{"create", "delete", "get", "patch", "update"},
	}
}

// Scale is the subresource by which a controller or `kubectl scale` sets the number of replicas without knowing the
// kind. Selector is a function of the object because one of the kinds has a map where the others have a selector.
func Scale(group string, replicas func(Object) **int32, current func(Object) int32,
	selector func(Object) (string, error)) Subresource {
	return Subresource{
		Name:  "scale",
		Kind:  autoscalingv1.SchemeGroupVersion.WithKind("Scale"),
		Verbs: readWrite,
		New:   func() runtime.Object { return &autoscalingv1.Scale{} },
		Get: func(obj Object) (runtime.Object, error) {
			s, err := selector(obj)
			if err != nil {
				return nil, apierrors.NewInternalError(fmt.Errorf("reading the selector of %s: %w", obj.GetName(), err))
			}
			wanted := int32(1)
			if r := *replicas(obj); r != nil {
				wanted = *r
			}
			return &autoscalingv1.Scale{
				TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"},
				ObjectMeta: metav1.ObjectMeta{
					Name: obj.GetName(), Namespace: obj.GetNamespace(), UID: obj.GetUID(),
					ResourceVersion: obj.GetResourceVersion(), CreationTimestamp: obj.GetCreationTimestamp(),
				},
				Spec:   autoscalingv1.ScaleSpec{Replicas: wanted},
				Status: autoscalingv1.ScaleStatus{Replicas: current(obj), Selector: s},
			}, nil
		},
		Apply: func(obj Object, body runtime.Object) error {
			s, ok := body.(*autoscalingv1.Scale)
			if !ok {
				return apierrors.NewBadRequest(fmt.Sprintf("the body is a %T where a Scale belongs", body))
			}
			if err := sameObject(group, obj, s); err != nil {
				return err
			}
			wanted := s.Spec.Replicas
			*replicas(obj) = &wanted
			return nil
		},
		Columns: scaleColumns(),
		Cells: func(body runtime.Object, now time.Time) []any {
			s := body.(*autoscalingv1.Scale)
			return []any{s.Name, int64(s.Spec.Replicas), int64(s.Status.Replicas), printers.Age(s.CreationTimestamp, now)}
		},
	}
}

func scaleColumns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Desired", "integer", 0, autoscalingv1.ScaleSpec{}.SwaggerDoc()["replicas"]),
		printers.Column("Available", "integer", 0, autoscalingv1.ScaleStatus{}.SwaggerDoc()["replicas"]),
		printers.AgeColumn(),
	}
}

// sameObject holds a Scale to the identity and the revision that it was read at, where it names them.
func sameObject(group string, obj Object, s *autoscalingv1.Scale) error {
	resource := schema.GroupResource{Group: group, Resource: "scales"}
	if s.ResourceVersion != "" && s.ResourceVersion != obj.GetResourceVersion() {
		return apierrors.NewConflict(resource, obj.GetName(),
			fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if s.UID != "" && s.UID != obj.GetUID() {
		return apierrors.NewConflict(resource, obj.GetName(),
			fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", s.UID, obj.GetUID()))
	}
	return nil
}
