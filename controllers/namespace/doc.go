// Package namespace empties a namespace that is being deleted, and then lets it go.
//
//  1. The phase becomes Terminating: from then on the API server takes nothing new into the namespace.
//  2. Discovery says which resources there are (package deletable). Pods go first, so that nothing they need is taken from
//     under them while they end; then everything else.
//  3. planNamespace tells in five conditions what remains (plan.go).
//  4. Once nothing does, the finalizer "kubernetes" is taken out through the subresource finalize, and the API server
//     deletes the namespace.
//
// Upstream is whoever deletes a namespace; downstream are all objects in it.
//
// Real Kubernetes works with an estimate of how long pods will take; here the end of a pod wakes the namespace.
package namespace
