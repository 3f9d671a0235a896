// Package nodelifecycle watches over the nodes: it notices silence, taints nodes, and evicts pods from them.
//
//  1. Renewals of Leases and reports of nodes are noted by this controller's own clock (heartbeat.go).
//  2. planNodeHealth turns the conditions of a silent node to Unknown; the taints follow from the conditions and from the
//     state of the node's zone (plan.go).
//  3. planEviction says when a pod has to leave a node with a NoExecute taint (eviction.go).
//  4. reconcile.go carries that out, for three kinds of keys: a node, all nodes, a pod.
//
// Upstream are the kubelets' heartbeats; downstream are scheduler and kubelets, through taints and deleted pods.
//
// Real Kubernetes looks at all nodes every five seconds, taints at most one of them in ten, and evicts in a controller of
// its own, the taint-eviction-controller.
package nodelifecycle
