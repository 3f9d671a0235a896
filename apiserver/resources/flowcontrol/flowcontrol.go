// Package flowcontrol has the rows of flowcontrol.apiserver.k8s.io/v1: FlowSchemas sort requests into flows, and
// PriorityLevelConfigurations say how much of the server each level may take. Every cluster has those of configuration.go.
//
// Upstream is package builtin, and package apiserver, which makes the configuration when a cluster starts; downstream is nobody: minik
// bounds what each client asks for at a time, whatever these objects say, and the rows' Idle says so.
//
// Real Kubernetes queues requests by them, and gives each level its share.
package flowcontrol

import "minik.dev/apiserver/resources"

// Resources are the rows of flowcontrol.apiserver.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		flowSchemas(),
		priorityLevelConfigurations(),
	}
}

// notAsked says what is missing for both kinds.
const notAsked = "the server bounds what each client asks for at a time, and does not sort requests"
