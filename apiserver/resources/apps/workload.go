package apps

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/validation"
)

// validateSelector asks for a selector that selects something in particular. The message speaks of deployments for
// ReplicaSets too, as upstream's does.
func validateSelector(path *field.Path, s *metav1.LabelSelector) field.ErrorList {
	return validateSelectorOf("deployment", path, s)
}

// validateSelectorOf names the kind in the message about empty selectors.
func validateSelectorOf(kind string, path *field.Path, s *metav1.LabelSelector) field.ErrorList {
	if s == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := validation.LabelSelector(path, s)
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path, s, "empty selector is invalid for "+kind))
	}
	return errs
}

// statusNumber is a number of a status, under its name.
type statusNumber struct {
	name  string
	value int64
}

func noneNegative(path *field.Path, numbers ...statusNumber) field.ErrorList {
	var errs field.ErrorList
	for _, n := range numbers {
		errs = append(errs, validation.NotNegative(path.Child(n.name), n.value)...)
	}
	return errs
}

// validateCollisions lets a status count hashes that collided, and never forget one: its name would be tried again.
func validateCollisions(path *field.Path, count, old *int32) field.ErrorList {
	errs := validation.NotNegative(path, ptr.Deref(count, 0))
	if old != nil && (count == nil || *count < *old) {
		errs = append(errs, field.Invalid(path, ptr.Deref(count, 0), "cannot be decremented"))
	}
	return errs
}

func selectorString(selector *metav1.LabelSelector) (string, error) {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return "", err
	}
	return s.String(), nil
}
