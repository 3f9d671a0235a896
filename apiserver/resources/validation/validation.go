// Package validation has the checks that kinds of several API groups share, in upstream's words: names, numbers, sets of values, selectors
// (validation.go), ports (port.go), numbers or shares of pods (intorpercent.go), names and amounts of resources (quantity.go).
//
// A check is a function of the field's path and its value, and returns every mistake. Metadata is checked for every kind by
// resources.ValidateMeta; what only one kind asks for is in the file of the kind; what a pod's spec says is in package podspec.
package validation

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// Invalid makes one mistake of each message that a check of apimachinery returned.
func Invalid(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

// NotNegative takes zero and everything above.
func NotNegative[T ~int32 | ~int64](path *field.Path, value T) field.ErrorList {
	return apivalidation.ValidateNonnegativeField(int64(value), path)
}

// OneOf takes only the given values, and names them in the given order, which is upstream's. An empty one is a value
// that is missing: Default fills it in where it may be.
func OneOf[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, "")}
	case !slices.Contains(allowed, value):
		return field.ErrorList{field.NotSupported(path, value, allowed)}
	}
	return nil
}

// Supported is OneOf where an empty value is as wrong as any other that is not listed, instead of missing.
func Supported[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	if slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

// DNSLabel takes the name of something that is one part of a DNS name: a container, a port, a volume.
func DNSLabel(path *field.Path, value string) field.ErrorList {
	return Invalid(path, value, utilvalidation.IsDNS1123Label(value))
}

// DNSSubdomain takes the name that an object of most kinds may have.
func DNSSubdomain(path *field.Path, value string) field.ErrorList {
	return Invalid(path, value, utilvalidation.IsDNS1123Subdomain(value))
}

// QualifiedName takes a name with a domain or without one: example.com/name.
func QualifiedName(path *field.Path, value string) field.ErrorList {
	return Invalid(path, value, utilvalidation.IsQualifiedName(value))
}

// PathSegmentName takes every name that fits into a URL as one segment of its path: the names of RBAC have colons. What a name begins
// with has to be one itself.
func PathSegmentName(name string, _ bool) []string { return content.IsPathSegmentName(name) }

// RequiredPathSegment takes the name of something that has to be named, and whose kind may have loose rules for names. missing is what is
// said where it is not named.
func RequiredPathSegment(path *field.Path, value, missing string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, missing)}
	}
	return Invalid(path, value, content.IsPathSegmentName(value))
}

// Labels checks keys and values of labels.
func Labels(path *field.Path, labels map[string]string) field.ErrorList {
	return metav1validation.ValidateLabels(labels, path)
}

// Immutable refuses a value that differs from the old one.
func Immutable(path *field.Path, value, old any) field.ErrorList {
	return apivalidation.ValidateImmutableField(value, old, path)
}

// Unchanged is Immutable as upstream's generated checks have it: they show no value.
func Unchanged(path *field.Path, value, old any) field.ErrorList {
	if equality.Semantic.DeepEqual(value, old) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, nil, apivalidation.FieldImmutableErrorMsg)}
}

// SortedKeys lets checks of maps name their mistakes in one order.
func SortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// Unique reports each value but the first of its kind.
type Unique map[string]bool

// Add remembers the value, and reports it where it is there already.
func (u Unique) Add(path *field.Path, value string) field.ErrorList {
	if u[value] {
		return field.ErrorList{field.Duplicate(path, value)}
	}
	u[value] = true
	return nil
}

// Required refuses an empty value.
func Required(at *field.Path, value string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return nil
}

// LabelSelector checks keys, operators and values. Nil and empty ones are allowed.
func LabelSelector(path *field.Path, s *metav1.LabelSelector) field.ErrorList {
	return metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, path)
}

// NonSpecialIP refuses addresses that mean something on each machine alone. Upstream refuses the loopback range too;
// minik's pods live there where the system gives it no better addresses.
func NonSpecialIP(path *field.Path, s string) field.ErrorList {
	ip := netutils.ParseIPSloppy(s)
	switch {
	case ip == nil:
		return field.ErrorList{field.Invalid(path, s, "must be a valid IP address")}
	case ip.IsUnspecified():
		return field.ErrorList{field.Invalid(path, s, fmt.Sprintf("may not be unspecified (%v)", s))}
	case ip.IsLinkLocalUnicast():
		return field.ErrorList{field.Invalid(path, s, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")}
	case ip.IsLinkLocalMulticast():
		return field.ErrorList{field.Invalid(path, s,
			"may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")}
	}
	return nil
}
