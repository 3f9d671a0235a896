// Package endpointslice keeps the EndpointSlices of each Service that has a selector.
//
//  1. A change of a Service, of a slice, or of a pod in what an endpoint shows of it, wakes the Service.
//  2. planEndpointSlices says which endpoints there should be, for each address family (plan.go); how they are spread over
//     slices with few writes is package backends' to say.
//  3. reconcile writes them, and waits until its cache shows what it wrote.
//
// Upstream are Services and the kubelets that report pods; downstream are proxy and DNS.
//
// Real Kubernetes also gives hints for topology-aware routing.
package endpointslice
