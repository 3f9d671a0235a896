// Package storagemigration has the row of storagemigration.k8s.io/v1: StorageVersionMigrations ask that every object of a resource is
// written anew, in the version that is stored now.
package storagemigration

import "minik.dev/apiserver/resources"

// Resources are the rows of storagemigration.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		storageVersionMigrations(),
	}
}
