package authorization

import (
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
)

func selfSubjectRulesReviews() *resources.Resource {
	return resources.Review(resources.Resource{
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
		func(r *authorizationv1.SelfSubjectRulesReview, a resources.Asked) {
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
