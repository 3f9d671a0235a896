// Package storage has the rows of storage.k8s.io/v1: what is known of the drivers that make volumes, and of the classes that claims name.
// PersistentVolumes and claims are core kinds: package core.
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
