package resources

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/auth"
)

// Asked is what a review is answered from: who asks, and the authorizer that is there.
type Asked struct {
	User  auth.User
	May   func(auth.Attributes) (allowed bool, reason string)
	Rules func(user auth.User, namespace string) []auth.Rule
}

// review makes the row of a kind that is a question: it is posted, answered, and never stored.
func review[T Object](row Resource, make func() T, validate func(T) field.ErrorList, answer func(T, Asked)) *Resource {
	row.Verbs = []string{"create"}
	row.New = func() Object { return make() }
	row.Validate = check(func(obj, _ T) field.ErrorList { return append(bare(obj), validate(obj)...) })
	row.Answer = func(obj Object, asked Asked) { answer(obj.(T), asked) }
	return &row
}

// bare holds a question to having no metadata: it is no object that anybody could find again.
func bare(obj Object) field.ErrorList {
	meta, path := metav1.ObjectMeta{}, field.NewPath("metadata")
	meta.Name, meta.GenerateName, meta.Labels, meta.Annotations = obj.GetName(), obj.GetGenerateName(), obj.GetLabels(),
		obj.GetAnnotations()
	if equality.Semantic.DeepEqual(meta, metav1.ObjectMeta{}) {
		return nil
	}
	if _, local := obj.(*authorizationv1.LocalSubjectAccessReview); local {
		return field.ErrorList{field.Invalid(path, meta, "must be empty except for namespace")}
	}
	return field.ErrorList{field.Invalid(path, meta, "must be empty")}
}

func selfSubjectAccessReviews() *Resource {
	return review(Resource{
		Kind:          authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"),
		Plural:        "selfsubjectaccessreviews",
		ClusterScoped: true,
	}, func() *authorizationv1.SelfSubjectAccessReview { return &authorizationv1.SelfSubjectAccessReview{} },
		func(r *authorizationv1.SelfSubjectAccessReview) field.ErrorList {
			return validateAccess(field.NewPath("spec"), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		},
		func(r *authorizationv1.SelfSubjectAccessReview, a Asked) {
			r.Status = access(a, a.User, r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func subjectAccessReviews() *Resource {
	return review(Resource{
		Kind:          authorizationv1.SchemeGroupVersion.WithKind("SubjectAccessReview"),
		Plural:        "subjectaccessreviews",
		ClusterScoped: true,
	}, func() *authorizationv1.SubjectAccessReview { return &authorizationv1.SubjectAccessReview{} },
		func(r *authorizationv1.SubjectAccessReview) field.ErrorList { return validateSubjectAccess(r.Spec) },
		func(r *authorizationv1.SubjectAccessReview, a Asked) {
			r.Status = access(a, subjectOf(r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func localSubjectAccessReviews() *Resource {
	return review(Resource{
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
		func(r *authorizationv1.LocalSubjectAccessReview, a Asked) {
			r.Status = access(a, subjectOf(r.Spec), r.Spec.ResourceAttributes, r.Spec.NonResourceAttributes)
		})
}

func selfSubjectRulesReviews() *Resource {
	return review(Resource{
		Kind:          authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectRulesReview"),
		Plural:        "selfsubjectrulesreviews",
		ClusterScoped: true,
	}, func() *authorizationv1.SelfSubjectRulesReview { return &authorizationv1.SelfSubjectRulesReview{} },
		func(r *authorizationv1.SelfSubjectRulesReview) field.ErrorList {
			if r.Spec.Namespace == "" {
				return field.ErrorList{field.Required(field.NewPath("spec", "namespace"), "no namespace on request")}
			}
			return nil
		},
		func(r *authorizationv1.SelfSubjectRulesReview, a Asked) {
			r.Status = authorizationv1.SubjectRulesReviewStatus{ // empty lists, not null: clients range over them
				ResourceRules:    []authorizationv1.ResourceRule{},
				NonResourceRules: []authorizationv1.NonResourceRule{},
			}
			for _, rule := range a.Rules(a.User, r.Spec.Namespace) {
				if len(rule.Paths) > 0 {
					r.Status.NonResourceRules = append(r.Status.NonResourceRules,
						authorizationv1.NonResourceRule{Verbs: rule.Verbs, NonResourceURLs: rule.Paths})
				}
				if len(rule.Resources) > 0 {
					r.Status.ResourceRules = append(r.Status.ResourceRules,
						authorizationv1.ResourceRule{Verbs: rule.Verbs, APIGroups: rule.Groups, Resources: rule.Resources})
				}
			}
		})
}

func selfSubjectReviews() *Resource {
	return review(Resource{
		Kind:          authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"),
		Plural:        "selfsubjectreviews",
		ClusterScoped: true,
	}, func() *authenticationv1.SelfSubjectReview { return &authenticationv1.SelfSubjectReview{} },
		func(*authenticationv1.SelfSubjectReview) field.ErrorList { return nil },
		func(r *authenticationv1.SelfSubjectReview, a Asked) {
			r.Status.UserInfo = authenticationv1.UserInfo{Username: a.User.Name, UID: a.User.UID, Groups: a.User.Groups}
			for key, values := range a.User.Extra {
				if r.Status.UserInfo.Extra == nil {
					r.Status.UserInfo.Extra = map[string]authenticationv1.ExtraValue{}
				}
				r.Status.UserInfo.Extra[key] = values
			}
		})
}

func tokenReviews() *Resource {
	return review(Resource{
		Kind:          authenticationv1.SchemeGroupVersion.WithKind("TokenReview"),
		Plural:        "tokenreviews",
		ClusterScoped: true,
	}, func() *authenticationv1.TokenReview { return &authenticationv1.TokenReview{} },
		func(r *authenticationv1.TokenReview) field.ErrorList {
			if r.Spec.Token == "" {
				return field.ErrorList{field.Required(field.NewPath("spec", "token"), "must not be empty")}
			}
			return nil
		},
		// The server takes client certificates alone, so that no token is anybody's.
		func(r *authenticationv1.TokenReview, _ Asked) {
			r.Status = authenticationv1.TokenReviewStatus{Error: "invalid bearer token"}
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
func access(a Asked, user auth.User, resource *authorizationv1.ResourceAttributes,
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
