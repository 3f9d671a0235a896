// Package networking has the rows of networking.k8s.io/v1: Ingresses and their classes, NetworkPolicies, and the addresses of services.
// Services and Endpoints are core kinds: package core.
package networking

import "minik.dev/apiserver/resources"

// Resources are the rows of networking.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		ingresses(),
		ingressClasses(),
		networkPolicies(),
		ipAddresses(),
		serviceCIDRs(),
	}
}
