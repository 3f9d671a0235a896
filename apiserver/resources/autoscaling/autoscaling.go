package autoscaling

import "minik.dev/apiserver/resources"

// Resources are the rows of autoscaling/v2 and v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		horizontalPodAutoscalers(),
	}
}
