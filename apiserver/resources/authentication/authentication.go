// Package authentication has the rows of authentication.k8s.io/v1: questions about who somebody is. They are answered, and never stored.
package authentication

import "minik.dev/apiserver/resources"

// Resources are the rows of authentication.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		selfSubjectReviews(),
		tokenReviews(),
	}
}
