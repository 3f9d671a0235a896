// Package scheduler decides which node each pod runs on.
//
//	API server ──watch nodes, pods──▶ Snapshot + queue ──▶ Schedule ──▶ binding ──▶ API server
//
// The life of one decision:
//
//  1. Events of nodes, pods and namespaces keep a [Snapshot] up to date: each node with what its pods take of it.
//     Only what changed is touched, and a heartbeat is no change.
//  2. A pod without a node joins the queue. The queue gives out the pod of highest priority that waits longest.
//  3. [Schedule], a pure function, asks every node the same questions. Filters say whether the pod may run there: is
//     the node cordoned, are its taints tolerated, do its labels match, are the ports free, is enough of every
//     resource left. Scores from 0 to 100 say how good the node is; each is multiplied by its plugin's weight. The
//     highest sum wins, and among equals the pod's UID picks, so that the same question always has the same answer.
//  4. The pod is assumed on the winner: it counts there from now on. A writer posts the Binding, with a [Record] of
//     the decision as annotation, while the loop already decides about the next pod. If the API server refuses, the
//     assumption is taken back and the pod rests, from 1 to 10 seconds.
//  5. A pod that fits nowhere is parked, and says why in its condition PodScheduled and in an Event. A change of the
//     cluster that may turn one of the no's into a yes wakes it (queueing_hints.go). Nothing else costs it anything, but
//     for a try every five minutes.
//  6. If pods of lower priority are in its way, the decision names a node and the victims there ([Preemption]). The pod
//     is nominated for the node, so that nobody of its priority or below takes the room, and a writer evicts the
//     victims. Once they are gone, the pod is decided about again, and its node asked first.
//
// [Explain] is Schedule with every answer kept: the table of all nodes by all plugins. It judges each node by the
// same questions.
//
// A filter or a score is one small file and one row (the package's example adds one). Extenders, programs outside
// that KubeSchedulerConfiguration names, are asked over HTTP about the nodes that fit, and the decision is made with
// what they say (extender.go); where nothing fits, about who is to be evicted (extender_preempt.go).
//
// What makes it fast: nodes with the same answers are one group, and all that follows (spreading, normalizing,
// choosing) compares groups. Pods of one owner ask the same, so the groups are kept from one to the next, and only
// nodes that changed in between are asked again (nodegroups.go). One more pod like the last costs the number of groups,
// not of nodes.
//
// Several schedulers on one cluster elect one that decides ([Candidate]): it holds a Lease, as upstream's do. The others
// know nothing of the cluster until it is their turn, so that a Lease lost and won again begins from what is.
//
// Upstream of this package is the API server, whose watches feed it. Downstream is the kubelet of the winner, which
// sees the pod appear on its node.
//
// Real Kubernetes has the same plugins, and more for volumes: it binds claims that wait for their first consumer, and
// counts what a driver can attach. It asks nodes in parallel, and in large clusters only a part of them; it chooses
// among equals by chance. Pods that state no spreading are spread there among the pods that their Service, ReplicaSet
// or StatefulSet selects; here, among those of the same controller. matchLabelKeys of affinity are read here, where
// upstream's API server writes them into the selector when the pod is created: so they follow a pod whose labels
// change. A scheduler that loses the Lease exits there, and its kubelet starts it again; here it stands again itself.
package scheduler
