// Package coordination has the row of coordination.k8s.io/v1: Leases, by which one of several leads, and by which nodes say that they live.
package coordination

import "minik.dev/apiserver/resources"

// Resources are the rows of coordination.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		leases(),
	}
}
