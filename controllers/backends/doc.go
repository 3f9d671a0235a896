// Package backends is what the three controllers of endpoints agree on.
//
//  1. pods.go: which pods stand behind a Service, and which Services a pod's event concerns.
//  2. ports.go: which ports a pod serves for a Service.
//  3. slices.go: how endpoints are spread over EndpointSlices so that few of them are written; slice_writes.go writes them.
//  4. reason.go: how the reason of a write names the addresses that come, go and turn.
//
// All but slice_writes.go is pure. Upstream are the controllers endpoint, endpointslice and endpointslicemirroring, which
// decide what there should be; downstream is the API server.
//
// Real Kubernetes has this in the module k8s.io/endpointslice.
package backends
