package apiserver

import (
	"cmp"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/resources"
)

// validation is how unknown and duplicate fields are taken.
type validation string

const (
	strict validation = "Strict" // refused
	warn   validation = "Warn"   // answered with a Warning header; upstream's default
	ignore validation = "Ignore" // dropped in silence, because the client asked for it
)

// fieldValidation is what the request asks for. Other values have been refused by checkWriteOptions.
func (r *request) fieldValidation() validation {
	return validation(cmp.Or(r.URL.Query().Get("fieldValidation"), string(warn)))
}

// decodeBody reads the body into an object of the kind.
func (s *Server) decodeBody(r *request, kind schema.GroupVersionKind, into runtime.Object) (runtime.Object, error) {
	spoken := []string{mediaJSON, mediaYAML, mediaProto}
	if !hasProto(into) {
		spoken = spoken[:2]
	}
	contentType, err := bodyType(r.Request, spoken...)
	if err != nil {
		return nil, err
	}
	data, err := r.body()
	if err != nil {
		return nil, err
	}
	return s.decode(r, contentType, data, kind, into)
}

// decode reads data into an object of the kind. A body that says nothing of its kind is taken for it. Unknown and duplicate
// fields are taken as the request asks, together with those that were found before.
func (s *Server) decode(r *request, contentType string, data []byte, kind schema.GroupVersionKind,
	into runtime.Object, found ...error) (runtime.Object, error) {
	v := r.fieldValidation()
	serializer := s.codecs.proto
	switch {
	case contentType == mediaJSON && v == ignore:
		serializer = s.codecs.lax
	case contentType == mediaJSON:
		serializer = s.codecs.json
	case contentType == mediaYAML && v == ignore:
		serializer = s.codecs.laxY
	case contentType == mediaYAML:
		serializer = s.codecs.yaml
	}
	if err := boundQuantities(contentType, data, into); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil { // each step is the last chance to stop before the next
		return nil, err
	}
	obj, actual, err := serializer.Decode(data, &kind, into)
	if more, ok := runtime.AsStrictDecodingError(err); ok && obj != nil {
		found, err = append(found, more.Errors()...), nil
	}
	switch {
	case err != nil || len(found) == 0: // a body that can't be read was not looked through
	case v == strict:
		return nil, r.unreadable(kind, runtime.NewStrictDecodingError(found))
	case v == warn:
		for _, e := range found {
			r.warn(e.Error())
		}
	}
	// Clients send DeleteOptions in the version of what they delete.
	anyVersion := kind.Kind == "DeleteOptions" && actual != nil && actual.Kind == kind.Kind
	if actual != nil && *actual != kind && !anyVersion && (err == nil || runtime.IsNotRegisteredError(err)) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the API version in the data (%s) does not match the expected API version (%s)",
			actual.GroupVersion().WithKind(actual.Kind), kind))
	}
	if err != nil {
		return nil, r.unreadable(kind, err)
	}
	return obj, boundMembers(len(data), obj)
}

// unreadableError says that a body is not what the kind's schema asks for.
type unreadableError struct {
	*apierrors.StatusError
	cause string
}

func (r *request) unreadable(kind schema.GroupVersionKind, err error) error {
	cause := r.told(err)
	return &unreadableError{cause: cause, StatusError: apierrors.NewBadRequest(
		fmt.Sprintf("%s in version %q cannot be handled as a %s: %s", kind.Kind, kind.Version, kind.Kind, cause))}
}

// object reads the body as the addressed kind, with its defaults, in the stored version.
func (s *Server) object(r *request) (resources.Object, error) {
	decoded, err := s.decodeBody(r, r.kind(), r.in())
	if err != nil {
		return nil, err
	}
	return s.taken(r, decoded)
}

// taken turns a decoded object into the stored version and gives it its defaults.
func (s *Server) taken(r *request, decoded runtime.Object) (resources.Object, error) {
	obj, ok := decoded.(resources.Object)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%T is no %s", decoded, r.kind().Kind))
	}
	obj = r.stored(obj)
	obj.GetObjectKind().SetGroupVersionKind(r.row.Kind)
	if err := r.settle(obj); err != nil {
		return nil, err
	}
	if r.row.Default != nil {
		r.row.Default(obj)
	}
	return obj, nil
}

// settle puts the object into the namespace of the path, and refuses one that belongs into another.
func (r *request) settle(obj resources.Object) error {
	if r.row.ClusterScoped {
		return nil
	}
	switch obj.GetNamespace() {
	case "":
		obj.SetNamespace(r.namespace)
	case r.namespace:
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("the namespace of the provided object does not match the namespace "+
			"sent on the request (%s != %s)", obj.GetNamespace(), r.namespace))
	}
	return nil
}

// nameMatches checks that the object is the one that the path names.
func (r *request) nameMatches(obj resources.Object) error {
	if obj.GetName() == "" && r.sub != nil {
		obj.SetName(r.name)
	}
	if obj.GetName() != r.name {
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)",
			obj.GetName(), r.name))
	}
	return nil
}
