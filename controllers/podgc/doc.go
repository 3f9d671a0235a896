// Package podgc deletes pods that nobody else will: those of nodes that are gone or out of service, those deleted before
// they had a node, and ended ones when there are too many.
//
//  1. Nodes and pods wake the node that is missing, and one key for each of the other two jobs.
//  2. plan.go says which pods are to go, and why.
//  3. reconcile waits for a while whether a missing node comes back, asks the API server itself, and deletes without grace.
//
// Upstream are nodes and pods; downstream are the pods' owners, which make others.
//
// Real Kubernetes does all of it every 20 seconds, and waits 40 s for a node.
package podgc
