// Package scheduling has the row of scheduling.k8s.io/v1: PriorityClasses, and which of them are the system's.
package scheduling

import "minik.dev/apiserver/resources"

// Resources are the rows of scheduling.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		priorityClasses(),
	}
}
