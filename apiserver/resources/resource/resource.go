// Package resource has the rows of resource.k8s.io/v1, dynamic resource allocation: drivers offer devices in ResourceSlices, pods ask for
// some in ResourceClaims and ResourceClaimTemplates, by the DeviceClasses that an administrator names, and DeviceTaintRules keep devices
// from being given away.
//
// Upstream is package builtin; downstream are whoever reads the kinds: a scheduler that allocates, drivers on nodes. minik has neither yet,
// and says so in each row's Idle.
//
// Real Kubernetes compiles the CEL expressions that choose devices when they are written. Here they have to be there and not too long, and
// a warning says that nobody has looked into them (cel.go).
package resource

import "minik.dev/apiserver/resources"

// Resources are the rows of resource.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		deviceClasses(),
		deviceTaintRules(),
		resourceClaims(),
		resourceClaimTemplates(),
		resourceSlices(),
	}
}
