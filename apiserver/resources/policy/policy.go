// Package policy has the row of policy/v1: PodDisruptionBudgets. Evictions, the group's other kind, are a subresource of pods: package
// core.
package policy

import "minik.dev/apiserver/resources"

// Resources are the rows of policy/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		podDisruptionBudgets(),
	}
}
