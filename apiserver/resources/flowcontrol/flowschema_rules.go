package flowcontrol

import (
	"fmt"
	"slices"
	"strings"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// verbs are those that a rule may name, sorted as upstream names them.
var verbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"}

// every stands for all verbs, groups, resources, namespaces or names.
const every = "*"

// validateRule checks whose requests, and for what, a schema is about.
func validateRule(path *field.Path, r *flowcontrolv1.PolicyRulesWithSubjects) field.ErrorList {
	var errs field.ErrorList
	if len(r.Subjects) == 0 {
		errs = append(errs, field.Required(path.Child("subjects"), "subjects must contain at least one value"))
	}
	for i := range r.Subjects {
		errs = append(errs, validateSubject(path.Child("subjects").Index(i), &r.Subjects[i])...)
	}
	if len(r.ResourceRules) == 0 && len(r.NonResourceRules) == 0 {
		errs = append(errs, field.Required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
	}
	for i := range r.ResourceRules {
		errs = append(errs, validateResourceRule(path.Child("resourceRules").Index(i), &r.ResourceRules[i])...)
	}
	for i := range r.NonResourceRules {
		errs = append(errs, validateNonResourceRule(path.Child("nonResourceRules").Index(i), &r.NonResourceRules[i])...)
	}
	return errs
}

// validateSubject takes one user, group or service account, and what names it.
func validateSubject(path *field.Path, s *flowcontrolv1.Subject) field.ErrorList {
	said := []struct {
		name  string
		kind  flowcontrolv1.SubjectKind
		there bool
	}{
		{"serviceAccount", flowcontrolv1.SubjectKindServiceAccount, s.ServiceAccount != nil},
		{"user", flowcontrolv1.SubjectKindUser, s.User != nil},
		{"group", flowcontrolv1.SubjectKindGroup, s.Group != nil},
	}
	if !slices.Contains([]flowcontrolv1.SubjectKind{said[0].kind, said[1].kind, said[2].kind}, s.Kind) {
		return validation.Supported(path.Child("kind"), s.Kind, said[2].kind, said[0].kind, said[1].kind)
	}
	var errs field.ErrorList
	for _, member := range said {
		switch at := path.Child(member.name); {
		case member.there && member.kind != s.Kind:
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("%s is forbidden when subject kind is not '%s'", member.name, member.kind)))
		case !member.there && member.kind == s.Kind:
			errs = append(errs, field.Required(at, fmt.Sprintf("%s is required when subject kind is '%s'", member.name, member.kind)))
		case !member.there:
		case s.Kind == flowcontrolv1.SubjectKindUser:
			errs = append(errs, validation.Required(at.Child("name"), s.User.Name)...)
		case s.Kind == flowcontrolv1.SubjectKindGroup:
			errs = append(errs, validation.Required(at.Child("name"), s.Group.Name)...)
		default:
			errs = append(errs, validateAccount(at, s.ServiceAccount)...)
		}
	}
	return errs
}

func validateAccount(path *field.Path, s *flowcontrolv1.ServiceAccountSubject) field.ErrorList {
	errs := validation.Required(path.Child("name"), s.Name)
	if s.Name != "" && s.Name != every {
		errs = append(errs, validation.Invalid(path.Child("name"), s.Name, apivalidation.ValidateServiceAccountName(s.Name, false))...)
	}
	if s.Namespace == "" {
		return append(errs, field.Required(path.Child("namespace"), "must specify namespace for service account"))
	}
	return append(errs, validation.Invalid(path.Child("namespace"), s.Namespace, apivalidation.ValidateNamespaceName(s.Namespace, false))...)
}

func validateVerbs(path *field.Path, named []string) field.ErrorList {
	if errs := orEvery(path, named, "verbs must contain at least one value", "verbs"); len(errs) > 0 || slices.Contains(named, every) {
		return errs
	}
	if slices.ContainsFunc(named, func(v string) bool { return !slices.Contains(verbs, v) }) {
		return field.ErrorList{unsupported(path, named, verbs...)}
	}
	return nil
}

// orEvery takes some values, or the one that stands for all of them.
func orEvery(path *field.Path, values []string, missing, what string) field.ErrorList {
	if len(values) == 0 {
		return field.ErrorList{field.Required(path, missing)}
	}
	if len(values) > 1 && slices.Contains(values, every) {
		return field.ErrorList{field.Invalid(path, values, "if '*' is present, must not specify other "+what)}
	}
	return nil
}

func validateResourceRule(path *field.Path, r *flowcontrolv1.ResourcePolicyRule) field.ErrorList {
	errs := validateVerbs(path.Child("verbs"), r.Verbs)
	errs = append(errs, orEvery(path.Child("apiGroups"), r.APIGroups, "resource rules must supply at least one api group", "api groups")...)
	errs = append(errs, orEvery(path.Child("resources"), r.Resources, "resource rules must supply at least one resource", "resources")...)
	at := path.Child("namespaces")
	if len(r.Namespaces) == 0 && r.ClusterScope {
		return errs
	}
	wrong := orEvery(at, r.Namespaces, "resource rules that are not cluster scoped must supply at least one namespace", "namespaces")
	if slices.Contains(r.Namespaces, every) {
		return append(errs, wrong...)
	}
	for i, namespace := range r.Namespaces {
		for _, message := range apivalidation.ValidateNamespaceName(namespace, false) {
			wrong = append(wrong, field.Invalid(at.Index(i), namespace, "each member of this list must be '*' or a DNS-1123 label; "+message))
		}
	}
	return append(errs, wrong...)
}

func validateNonResourceRule(path *field.Path, r *flowcontrolv1.NonResourcePolicyRule) field.ErrorList {
	errs := validateVerbs(path.Child("verbs"), r.Verbs)
	at := path.Child("nonResourceURLs")
	errs = append(errs, orEvery(at, r.NonResourceURLs, "nonResourceURLs must contain at least one value", "non-resource URLs")...)
	if slices.Contains(r.NonResourceURLs, every) {
		return errs
	}
	for i, url := range r.NonResourceURLs {
		if wrong := wrongURL(url); wrong != "" {
			errs = append(errs, field.Invalid(at.Index(i), url, wrong))
		}
	}
	return errs
}

// wrongURL says what is wrong with the path of what is no resource; empty is nothing. A star stands for all that follows.
func wrongURL(url string) string {
	stars := strings.Count(url, every)
	switch {
	case url == "":
		return "must not be empty"
	case url == "/":
		return ""
	case !strings.HasPrefix(url, "/"):
		return "must start with slash"
	case strings.Contains(url, " "):
		return "must not contain white-space"
	case strings.Contains(url, "//"):
		return "must not contain double slash"
	case stars > 1 || stars == 1 && !strings.HasSuffix(url, "/*"):
		return "wildcard can only do suffix matching"
	}
	return ""
}
