// Package node has the row of node.k8s.io/v1: RuntimeClasses. Nodes are a core kind: package core.
package node

import "minik.dev/apiserver/resources"

// Resources are the rows of node.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		runtimeClasses(),
	}
}
