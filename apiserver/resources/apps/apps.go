package apps

import "minik.dev/apiserver/resources"

// Resources are the rows of apps/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		replicaSets(),
		deployments(),
		statefulSets(),
		daemonSets(),
		controllerRevisions(),
	}
}
