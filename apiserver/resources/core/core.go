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
