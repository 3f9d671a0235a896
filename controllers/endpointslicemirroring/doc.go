// Package endpointslicemirroring copies the Endpoints that a user wrote for a Service without a selector into
// EndpointSlices, which is what proxies read.
//
//  1. A change of a Service, of Endpoints or of a mirrored slice wakes the Service.
//  2. planMirror says what the slices should become (plan.go); they are filled as those of Services with a selector.
//  3. reconcile writes them.
//
// Upstream is a user who writes Endpoints; downstream are proxy and DNS.
//
// Real Kubernetes mirrors at most 1,000 addresses of a subset, and copies annotations too.
package endpointslicemirroring
