// Package discovery has the row of discovery.k8s.io/v1: EndpointSlices, which say where the pods of a service are. (What clients discover
// about this server is package apiserver/discovery.)
package discovery

import "minik.dev/apiserver/resources"

// Resources are the rows of discovery.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		endpointSlices(),
	}
}
