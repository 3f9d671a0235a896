// Package replicaset keeps as many pods as a ReplicaSet wants.
//
//  1. A change of a ReplicaSet wakes it; so does a pod that counts for it, or that it would adopt (reconcile.go).
//  2. [PlanFor] compares the pods with spec.replicas: which to adopt, to release, how many to make (plan.go), which to
//     delete first (deletion_order.go), and what the status is to say (status.go).
//  3. reconcile carries the plan out, many writes at a time, and reports when nothing is left to do.
//
// kind.go is what a ReplicaSet and a ReplicationController differ in: package replication reconciles the latter with this
// package.
//
// Upstream is whoever makes ReplicaSets, a user or the Deployment controller; downstream are scheduler and kubelets.
//
// Real Kubernetes counts a ReplicaSet again with every change of a pod; here only with a change that counts.
package replicaset
