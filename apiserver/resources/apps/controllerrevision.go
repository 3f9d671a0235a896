package apps

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

// controllerRevisions is the row of the states that a controller can go back to: it keeps them itself, and nothing else
// acts on them.
func controllerRevisions() *resources.Resource {
	return &resources.Resource{
		Kind:     appsv1.SchemeGroupVersion.WithKind("ControllerRevision"),
		Plural:   "controllerrevisions",
		New:      func() resources.Object { return &appsv1.ControllerRevision{} },
		NewList:  func() runtime.Object { return &appsv1.ControllerRevisionList{} },
		Validate: resources.Check(validateControllerRevision),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Controller", "string", 0, "Controller of the object"),
			printers.Column("Revision", "string", 0, appsv1.ControllerRevision{}.SwaggerDoc()["revision"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(r *appsv1.ControllerRevision, now time.Time) []any {
			return []any{r.Name, controllerCell(r), r.Revision, printers.Age(r.CreationTimestamp, now)}
		}),
	}
}

// controllerCell names the object that the revision is of: statefulset.apps/db.
func controllerCell(r *appsv1.ControllerRevision) string {
	owner := metav1.GetControllerOfNoCopy(r)
	if owner == nil {
		return printers.None
	}
	kind := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind()
	if kind.Empty() {
		return owner.Name
	}
	return strings.ToLower(kind.String()) + "/" + owner.Name
}

// validateControllerRevision asks for an object, which stays what it was: the number may change, when an old state is
// the newest again.
func validateControllerRevision(r, old *appsv1.ControllerRevision) field.ErrorList {
	path := field.NewPath("data")
	var errs field.ErrorList
	data, err := parsed(r.Data)
	switch {
	case err != nil:
		errs = append(errs, field.Invalid(path, "<value omitted>", "error parsing data: "+err.Error()))
	case old != nil: // it stays what it was
	case data == nil:
		errs = append(errs, field.Required(path, "data is mandatory"))
	default:
		if _, ok := data.(map[string]any); !ok {
			errs = append(errs, field.Required(path, "data must be a valid JSON object"))
		}
	}
	errs = append(errs, validation.NotNegative(field.NewPath("revision"), r.Revision)...)
	if old == nil || err != nil {
		return errs
	}
	// The text may have been written anew on the way, with other spaces or its keys in another order.
	if before, err := parsed(old.Data); err == nil && !reflect.DeepEqual(data, before) {
		errs = append(errs, field.Invalid(path, r.Data, apivalidation.FieldImmutableErrorMsg))
	}
	return errs
}

// parsed reads any value; nil where there is none. Numbers keep their digits.
func parsed(data runtime.RawExtension) (any, error) {
	if len(data.Raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data.Raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}
