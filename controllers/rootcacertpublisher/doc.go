// Package rootcacertpublisher publishes the certificate of the cluster's authority to every namespace, as the ConfigMap
// kube-root-ca.crt, and puts it back when someone has changed or deleted it.
//
//  1. A namespace or its ConfigMap wakes the namespace.
//  2. planRootCA compares the ConfigMap with the certificate (plan.go), and reconcile writes it.
//
// Upstream are namespaces and the cluster's authority; downstream are pods, which trust the API server by it.
//
// Real Kubernetes does the same.
package rootcacertpublisher
