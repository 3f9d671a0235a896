// Package deployment rolls out Deployments: it makes a ReplicaSet for each template and sizes the ReplicaSets, one step at
// a time, and leaves the pods to them.
//
//  1. A change of a Deployment or of one of its ReplicaSets wakes the Deployment (reconcile.go).
//  2. planDeployment finds the next step (plan.go): scaling (scale.go), rolling or recreating (rollout.go), with the
//     revisions and their history (revision.go) and the conditions and counts (status.go).
//  3. reconcile carries that one step out and waits until the caches show it. A rollout is many such steps.
//
// Upstream is the API server; downstream is the ReplicaSet controller, which knows nothing of Deployments.
//
// Real Kubernetes does the same, but does not wait until every ReplicaSet has acted on its size before the next step.
package deployment
