// Package authorization has the rows of authorization.k8s.io/v1: questions about what somebody may do. They are answered by the server's
// own authorizer, and never stored.
package authorization

import "minik.dev/apiserver/resources"

// Resources are the rows of authorization.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		localSubjectAccessReviews(),
		selfSubjectAccessReviews(),
		selfSubjectRulesReviews(),
		subjectAccessReviews(),
	}
}
