// Package scheduler decides which node each pod runs on.
//
//	API server ──watch nodes, pods──▶ Snapshot + queue ──▶ Schedule ──▶ binding ──▶ API server
//
// The life of one decision:
//
//  1. Events of nodes and pods keep a [Snapshot] up to date: each node with what its pods take of it. Only what
//     changed is touched, and a heartbeat is no change.
//  2. A pod without a node joins the queue. The queue gives out the pod of highest priority that waits longest.
//  3. [Schedule], a pure function, asks every node the same questions. Filters say whether the pod may run there: is
//     the node cordoned, are its taints tolerated, do its labels match, are the ports free, is enough of every
//     resource left. Scores from 0 to 100 say how good the node is; each is multiplied by its plugin's weight. The
//     highest sum wins, and among equals the pod's UID picks, so that the same question always has the same answer.
//  4. The pod is assumed on the winner: it counts there from now on. A writer posts the Binding, with a [Record] of
//     the decision as annotation, while the loop already decides about the next pod. If the API server refuses, the
//     assumption is taken back and the pod rests, from 1 to 10 seconds.
//  5. A pod that fits nowhere is parked, and says why in its condition PodScheduled and in an Event. A change of the
//     cluster that may turn one of the no's into a yes wakes it. Nothing else costs it anything, but for a try every
//     five minutes.
//
// [Explain] is Schedule with every answer kept: the table of all nodes by all plugins. It judges each node by the
// same questions.
//
// What makes it fast: nodes with the same answers are one group, and all that follows (spreading, normalizing,
// choosing) compares groups. Pods of one owner ask the same, so the groups are kept from one to the next, and only
// nodes that changed in between are asked again (table.go). One more pod like the last costs the number of groups,
// not of nodes.
//
// Upstream of this package is the API server, whose watches feed it. Downstream is the kubelet of the winner, which
// sees the pod appear on its node.
//
// Real Kubernetes has the same plugins and more: volumes, inter-pod affinity, preemption, images. It asks nodes in
// parallel, and in large clusters only a part of them; it chooses among equals by chance. Pods that state no
// spreading are spread there among the pods that their Service, ReplicaSet or StatefulSet selects; here, among those
// of the same controller. Preemption is not helpful here in one more case than there: minik evicts no pod for
// another, and its message says so.
package scheduler
