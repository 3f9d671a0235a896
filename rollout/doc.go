// Package rollout follows what was applied until it is available, for `minik up -f`.
//
//  1. [New] watches the applied objects and all pods (watch.go).
//  2. How far an object is, its controller's row says (controllers.RolloutStatusOf); how far a pod is, [PodStatus] (pod.go).
//     workloads adds what the pods of a workload wait for (rollout.go).
//  3. Each time something has changed, the rollout is shown again (display.go), until no workload waits any more.
//
// Upstream is cmd/minik, downstream the API server, through informers.
//
// Real Kubernetes leaves this to `kubectl rollout status` and `kubectl wait`, one object at a time.
package rollout
