package policy

import "minik.dev/apiserver/resources"

// Resources are the rows of policy/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		podDisruptionBudgets(),
	}
}
