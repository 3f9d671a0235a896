package validation

import (
	"fmt"
	"strings"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxSignerName is a domain, a slash, a namespace, a dot and a name.
const maxSignerName = 2*utilvalidation.DNS1123SubdomainMaxLength + utilvalidation.DNS1123LabelMaxLength + 2

// SignerName takes "example.com/signer".
func SignerName(at *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	domain, path, found := strings.Cut(name, "/")
	if !found || strings.Contains(path, "/") {
		return field.ErrorList{field.Invalid(at, name,
			"must be a fully qualified domain and path of the form 'example.com/signer-name'")}
	}
	var errs field.ErrorList
	if len(domain) > utilvalidation.DNS1123SubdomainMaxLength {
		errs = append(errs, field.TooLong(at, "", utilvalidation.DNS1123SubdomainMaxLength))
	}
	errs = append(errs, dotted(at, domain, utilvalidation.IsDNS1123Label)...)
	if !strings.Contains(domain, ".") {
		errs = append(errs, field.Invalid(at, domain, "should be a domain with at least two segments separated by dots"))
	}
	errs = append(errs, dotted(at, path, utilvalidation.IsDNS1123Subdomain)...)
	if len(name) > maxSignerName {
		errs = append(errs, field.TooLong(at, "", maxSignerName))
	}
	return errs
}

// dotted checks the parts between dots, up to the first one that is wrong.
func dotted(at *field.Path, name string, wrong func(string) []string) field.ErrorList {
	for part := range strings.SplitSeq(name, ".") {
		var errs field.ErrorList
		for _, message := range wrong(part) {
			errs = append(errs, field.Invalid(at, name, fmt.Sprintf("validating label %q: %s", part, message)))
		}
		if len(errs) > 0 {
			return errs
		}
	}
	return nil
}
