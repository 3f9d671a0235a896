// Package autoscaling has the row of HorizontalPodAutoscalers, which is stored as autoscaling/v2 and served as autoscaling/v1, too. What
// v1 has no field for travels in annotations, as it does upstream. The scale of a kind is a subresource in the kind's own row.
package autoscaling

import "minik.dev/apiserver/resources"

// Resources are the rows of autoscaling/v2 and v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		horizontalPodAutoscalers(),
	}
}
