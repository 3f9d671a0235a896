// Package rbac has the rows of rbac.authorization.k8s.io/v1: roles, and who has them. ClusterRoles and ClusterRoleBindings are checked by
// the same functions as their namesakes in a namespace.
package rbac

import "minik.dev/apiserver/resources"

// Resources are the rows of rbac.authorization.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		roles(),
		roleBindings(),
		clusterRoles(),
		clusterRoleBindings(),
	}
}
