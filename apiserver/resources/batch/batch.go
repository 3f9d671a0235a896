package batch

import "minik.dev/apiserver/resources"

// Resources are the rows of batch/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		jobs(),
		cronJobs(),
	}
}
