// Package serviceaccount keeps a ServiceAccount named "default" in every active namespace.
//
//  1. A new namespace wakes itself, and so does the end of its account.
//  2. planServiceAccount says why the account is to be made (plan.go), and reconcile makes it.
//
// Upstream are namespaces; downstream is the admission of pods, which names the account where a pod names none.
//
// Real Kubernetes does the same.
package serviceaccount
