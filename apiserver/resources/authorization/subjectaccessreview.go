package authorization

import (
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
)

func subjectAccessReviews() *resources.Resource {
	return resources.Review(resources.Resource{
		Kind:          authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview"),
		Plural:        "subjectaccessreviews",
		ClusterScoped: true,
	}, func() *authorizationv1.SubjectAccessReview { return &authorizationv1.SubjectAccessReview{} },
		func(r *authorizationv1.SubjectAccessReview) field.ErrorList { return validateSubjectAccess(r.Spec) },
		func(r *authorizationv1.SubjectAccessReview, a resources.Asked) {
			r.Status = access(a, subjectOf(r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func selfSubjectAccessReviews() *resources.Resource {
	return resources.Review(resources.Resource{
		Kind:          authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"),
		Plural:        "selfsubjectaccessreviews",
		ClusterScoped: true,
	}, func() *authorizationv1.SelfSubjectAccessReview { return &authorizationv1.SelfSubjectAccessReview{} },
		func(r *authorizationv1.SelfSubjectAccessReview) field.ErrorList {
			return validateAccess(field.NewPath("spec"), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		},
		func(r *authorizationv1.SelfSubjectAccessReview, a resources.Asked) {
			r.Status = access(a, a.User, r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func localSubjectAccessReviews() *resources.Resource {
	return resources.Review(resources.Resource{
		Kind:   authorizationv1.SchemeGroupVersion.WithKind("LocalSubjectAccessReview"),
		Plural: "localsubjectaccessreviews",
	}, func() *authorizationv1.LocalSubjectAccessReview { return &authorizationv1.LocalSubjectAccessReview{} },
		func(r *authorizationv1.LocalSubjectAccessReview) field.ErrorList {
			errs, spec := validateSubjectAccess(r.Spec), field.NewPath("spec")
			if attributes := r.Spec.ResourceAttributes; attributes != nil && attributes.Namespace != r.Namespace {
				errs = append(errs, field.Invalid(spec.Child("resourceAttributes", "namespace"), attributes.Namespace,
					"must match metadata.namespace"))
			}
			if r.Spec.NonResourceAttributes != nil {
				errs = append(errs, field.Invalid(spec.Child("nonResourceAttributes"), r.Spec.NonResourceAttributes,
					"disallowed on this kind of request"))
			}
			return errs
		},
		func(r *authorizationv1.LocalSubjectAccessReview, a resources.Asked) {
			r.Status = access(a, subjectOf(r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func validateAccess(path *field.Path, resource *authorizationv1.ResourceAttributes,
	other *authorizationv1.NonResourceAttributes) field.ErrorList {
	switch {
	case resource != nil && other != nil:
		return field.ErrorList{field.Invalid(path.Child("nonResourceAttributes"), other,
			"cannot be specified in combination with resourceAttributes")}
	case resource == nil && other == nil:
		return field.ErrorList{field.Invalid(path.Child("resourceAttributes"), other,
			"exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	}
	return nil
}

func validateSubjectAccess(spec authorizationv1.SubjectAccessReviewSpec) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateAccess(path, spec.ResourceAttributes, spec.NonResourceAttributes)
	if spec.User == "" && len(spec.Groups) == 0 {
		errs = append(errs, field.Invalid(path.Child("user"), spec.User, "at least one of user or group must be specified"))
	}
	return errs
}

func subjectOf(spec authorizationv1.SubjectAccessReviewSpec) auth.User {
	user := auth.User{Name: spec.User, UID: spec.UID, Groups: spec.Groups, Extra: map[string][]string{}}
	for key, values := range spec.Extra {
		user.Extra[key] = values
	}
	return user
}

// access asks the authorizer what a request of the user would ask it.
func access(a resources.Asked, user auth.User, resource *authorizationv1.ResourceAttributes,
	other *authorizationv1.NonResourceAttributes) authorizationv1.SubjectAccessReviewStatus {
	attributes := auth.Attributes{User: user}
	if resource != nil {
		attributes.Verb, attributes.Group, attributes.Resource = resource.Verb, resource.Group, resource.Resource
		attributes.Subresource, attributes.Namespace, attributes.Name = resource.Subresource, resource.Namespace, resource.Name
	} else {
		attributes.Verb, attributes.Path = other.Verb, other.Path
	}
	allowed, reason := a.May(attributes)
	return authorizationv1.SubjectAccessReviewStatus{Allowed: allowed, Reason: reason}
}
