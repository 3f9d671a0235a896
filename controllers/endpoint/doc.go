// Package endpoint keeps the Endpoints of each Service that has a selector.
//
//  1. A change of a Service, of its Endpoints, or of a pod in what an endpoint shows of it, wakes the Service.
//  2. planEndpoints says what the Endpoints should become (plan.go). Which pods count is package backends' to say.
//  3. reconcile writes them.
//
// Upstream are Services and the kubelets that report pods; downstream is whoever still reads Endpoints: minik's own proxy
// and DNS read EndpointSlices.
//
// Real Kubernetes also stamps each write with the time of the pod event behind it
// (endpoints.kubernetes.io/last-change-trigger-time); here the journal's causes say that.
package endpoint
