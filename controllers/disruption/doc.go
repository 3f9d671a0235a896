// Package disruption keeps the status of PodDisruptionBudgets, by which evictions are judged.
//
//  1. A budget wakes itself, and a pod wakes the budgets that select it.
//  2. planDisruption counts the healthy pods and those that are wanted, and says how many may be evicted (plan.go).
//  3. reconcile asks the pods' owners how many they want, and writes the status.
//
// Upstream are pods and their owners; downstream is the API server, which pays for each eviction out of the status.
//
// Real Kubernetes asks the scale subresource of owners that it does not know, and takes back the condition
// DisruptionTarget of pods that were not deleted after all; here the API server writes it together with the deletion.
package disruption
