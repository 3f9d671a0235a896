package authentication

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
)

func selfSubjectReviews() *resources.Resource {
	return resources.Review(resources.Resource{
		Kind:          authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"),
		Plural:        "selfsubjectreviews",
		ClusterScoped: true,
	}, func() *authenticationv1.SelfSubjectReview { return &authenticationv1.SelfSubjectReview{} },
		func(*authenticationv1.SelfSubjectReview) field.ErrorList { return nil },
		func(r *authenticationv1.SelfSubjectReview, a resources.Asked) {
			r.Status.UserInfo = authenticationv1.UserInfo{Username: a.User.Name, UID: a.User.UID, Groups: a.User.Groups}
			for key, values := range a.User.Extra {
				if r.Status.UserInfo.Extra == nil {
					r.Status.UserInfo.Extra = map[string]authenticationv1.ExtraValue{}
				}
				r.Status.UserInfo.Extra[key] = values
			}
		})
}
