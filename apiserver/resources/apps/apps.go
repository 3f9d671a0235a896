// Package apps has the rows of apps/v1: the kinds that keep pods running, and the revisions that their controllers go back to.
//
// A file has one kind with its hooks. workload.go has what they share: selectors, shares of pods and numbers in a status. Their pod
// templates are checked in package podspec, and the claims of StatefulSets in package volumes.
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
