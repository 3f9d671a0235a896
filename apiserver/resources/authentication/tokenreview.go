package authentication

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
)

func tokenReviews() *resources.Resource {
	return resources.Review(resources.Resource{
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
		// The server takes client certificates alone, so no token belongs to anybody.
		func(r *authenticationv1.TokenReview, _ resources.Asked) {
			r.Status = authenticationv1.TokenReviewStatus{Error: "invalid bearer token"}
		})
}
