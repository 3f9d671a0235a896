package validation

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// IntOrPercent takes a number of pods or a share of them.
func IntOrPercent(path *field.Path, v *intstr.IntOrString) field.ErrorList {
	if v == nil {
		return nil
	}
	if v.Type == intstr.String {
		return Invalid(path, *v, utilvalidation.IsValidPercent(v.StrVal))
	}
	return NotNegative(path, v.IntVal)
}

// percent is the share that v names, if it names one.
func percent(v *intstr.IntOrString) (int, bool) {
	if v == nil || v.Type != intstr.String {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%"))
	return n, err == nil
}

// AtMostAll refuses a share of more than the whole.
func AtMostAll(path *field.Path, v *intstr.IntOrString) field.ErrorList {
	if share, ok := percent(v); ok && share > 100 {
		return field.ErrorList{field.Invalid(path, *v, "must not be greater than 100%")}
	}
	return nil
}

// IsZero says that v names no pod at all; what is no number counts as none, as upstream.
func IsZero(v *intstr.IntOrString) bool {
	if n, ok := percent(v); ok {
		return n == 0
	}
	return v == nil || v.IntValue() == 0
}
