package storage

import "minik.dev/apiserver/resources"

// Resources are the rows of storage.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		storageClasses(),
		volumeAttributesClasses(),
		volumeAttachments(),
		csiDrivers(),
		csiNodes(),
		csiStorageCapacities(),
	}
}
