// Package batch has the rows of batch/v1: Jobs, which run pods until they are done, and CronJobs, which make Jobs by the clock. The
// template of a CronJob is checked as the Job that it will become.
package batch

import "minik.dev/apiserver/resources"

// Resources are the rows of batch/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		jobs(),
		cronJobs(),
	}
}
