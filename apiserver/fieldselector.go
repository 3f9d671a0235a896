package apiserver

import (
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/selection"

	"minik.dev/apiserver/resources"
)

// hasMultiFields reports whether the object has what is asked for among the values of its fields that have several.
func (q *query) hasMultiFields(obj resources.Object) bool {
	if len(q.multiFields) == 0 {
		return true
	}
	values := q.row.MultiFields(obj)
	for name, value := range q.multiFields {
		if !slices.Contains(values[name], value) {
			return false
		}
	}
	return true
}

// takeMultiFields takes the fields that have several values out of the field selector.
func (q *query) takeMultiFields() error {
	if q.row.MultiFields == nil {
		return nil
	}
	known := q.row.MultiFields(q.row.New())
	for _, requirement := range q.fields.Requirements() {
		if _, ok := known[requirement.Field]; !ok {
			continue
		}
		if requirement.Operator == selection.NotEquals {
			return apierrors.NewBadRequest(fmt.Sprintf("field label %q has several values: it can be selected by = only",
				requirement.Field))
		}
		if before, ok := q.multiFields[requirement.Field]; ok && before != requirement.Value {
			return apierrors.NewBadRequest(fmt.Sprintf("field label %q can be selected once", requirement.Field))
		}
		if q.multiFields == nil {
			q.multiFields = map[string]string{}
		}
		q.multiFields[requirement.Field] = requirement.Value
	}
	var err error
	q.fields, err = q.fields.Transform(func(name, value string) (string, string, error) {
		if _, ok := known[name]; ok {
			return "", "", nil
		}
		return name, value, nil
	})
	return err
}
