// Package garbagecollector deletes what has lost its owners, and sees to the two finalizers that hold a deleted owner until
// its dependents are gone or set free.
//
//  1. It watches the metadata of every resource that can be deleted, and asks for new kinds now and then (informers.go).
//  2. The events make a graph of owners and dependents; a change in it wakes the objects that it may concern (graph.go).
//  3. For each of them, classify says what is to be done (plan.go).
//  4. reconcile.go does it. Nothing is deleted on the word of a cache: the object and an owner that is missing from the
//     graph are read from the server first, and the deletion is void if the object has changed since.
//
// Upstream is every kind there is; downstream too.
//
// Real Kubernetes keeps three queues and virtual nodes for owners that it has not seen; here the server is asked.
package garbagecollector
