// Package scheduler binds pods to nodes.
//
//	API server ──watch nodes, pods──▶ snapshot + queue ──▶ decide ──▶ binding ──▶ API server
//
// Where a pod goes is decided in [minik.dev/scheduler/framework], which has the plugins and is pure. Here is what brings
// decisions about and carries them out. The life of one:
//
//  1. Events of nodes, pods, namespaces and volumes go into a snapshot of the cluster (eventhandlers.go).
//  2. A pod without a node joins the queue (queue.go). The queue gives out the pod of highest priority that waits longest.
//  3. The framework decides: a node with its score, or why there is none. Extenders, programs outside that
//     KubeSchedulerConfiguration names, are asked over HTTP about the nodes that fit, and the decision is made with what they
//     say (extender.go); where nothing fits, about who is to be evicted (extender_preempt.go).
//  4. The pod is assumed on the winner: it counts there from now on. A writer posts the Binding, with a [Record] of
//     the decision as annotation (bind.go), while the loop already decides about the next pod. If the API server refuses, the
//     assumption is taken back and the pod rests, from 1 to 10 seconds.
//  5. A pod that fits nowhere is parked, and says why in its condition PodScheduled (podstatus.go) and in an Event. A change
//     of the cluster that may turn one of the no's into a yes wakes it. Nothing else costs it anything, but for a try every
//     five minutes.
//  6. If pods of lower priority are in its way, the pod is nominated for the node where they are, so that nobody of its
//     priority or below takes the room, and a writer evicts them (evict.go). Once they are gone, the pod is decided about
//     again, and its node asked first.
//
// Several schedulers on one cluster elect one that decides ([Candidate], in leader.go): it holds a Lease, as upstream's do.
// The others know nothing of the cluster until it is their turn, so that a Lease lost and won again begins from what is.
//
// config.go reads upstream's KubeSchedulerConfiguration. scheduler/suggest tries what would make a pod fit that fits nowhere.
//
// Upstream of this package is the API server, whose watches feed it. Downstream is the kubelet of the winner, which
// sees the pod appear on its node.
//
// In real Kubernetes a scheduler that loses the Lease exits, and its kubelet starts it again; here it stands again itself.
package scheduler
