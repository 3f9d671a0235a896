// Package core has the rows of the core group (v1): a file a kind, with its hooks; <noun>_validate.go and the like where a kind has
// much to say; the scenarios in testdata/<noun>.
//
// Events are here although a second group serves them too: they are stored as core/v1. What the spec of a pod may say is in package
// podspec, and what a claim and a volume may say of storage in package volumes: other groups ask for the same.
//
// Real Kubernetes spreads these kinds over pkg/apis/core (defaults and validation), pkg/registry/core (strategies), pkg/api (warnings)
// and pkg/printers.
package core

import "minik.dev/apiserver/resources"

// Resources are the rows of core/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		namespaces(),
		nodes(),
		pods(),
		bindings(),
		services(),
		endpoints(),
		configMaps(),
		secrets(),
		serviceAccounts(),
		events(),
		replicationControllers(),
		podTemplates(),
		persistentVolumes(),
		persistentVolumeClaims(),
		limitRanges(),
		resourceQuotas(),
		componentStatuses(),
	}
}
