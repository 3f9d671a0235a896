// Package coordination has the row of coordination.k8s.io/v1: Leases, by which one of several components leads, and nodes show that
// they are alive.
package coordination

import "minik.dev/apiserver/resources"

// Resources are the rows of coordination.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		leases(),
	}
}
