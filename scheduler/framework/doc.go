// Package framework decides where a pod goes: the plugins, what runs them, and the cluster as they see it. All of it is pure: it
// reads no clock, writes nothing and starts nothing.
//
//		events ──▶ Snapshot ──▶ Schedule: filter ─▶ score ─▶ choose ──▶ Decision
//		                        └─ no node is left: preemption, and what would help (Waiting)
//
//	 1. A [Snapshot] is the cluster as decisions see it: each node with what its pods take of it ([NodeInfo]). It is kept up
//	    to date change by change. Only what changed is touched, and a heartbeat is no change.
//	 2. A pod is read once, into its shape (shape.go): all of it that decides where it fits and scores. Pods of one owner
//	    have the same shape.
//	 3. [Schedule] asks every node the same questions. Filters say whether the pod may run there: is the node cordoned, are
//	    its taints tolerated, do its labels match, are the ports free, is enough of every resource left. Scores from 0 to 100
//	    say how good the node is; each is multiplied by its plugin's weight. The highest sum wins, and among equals the pod's
//	    UID picks, so that the same question always has the same answer.
//	 4. Where no node is left and pods of lower priority are in the way, the decision names a node and the victims there
//	    ([Preemption]).
//	 5. [Waiting] is what a pod that fits nowhere waits for, and a [Hint] says whether an event may help it
//	    (queueing_hints.go).
//
// [Explain] is Schedule with every answer kept: the table of all nodes by all plugins. It judges each node by the same
// questions.
//
// A plugin is one file in upstream's name, with its row at the top: which fields of the pod it reads, its filter, its score,
// how it compares nodes with each other, and which changes may help a pod that it rejected. plugin.go says what a row can
// have, and has the table; nothing else knows plugins by name. (The package's example adds one.)
//
// What makes it fast: nodes with the same answers are one group, and all that follows (spreading, normalizing, choosing)
// compares groups. The groups of a shape are kept from one pod to the next, and only nodes that changed in between are asked
// again (nodegroups.go). One more pod like the last costs the number of groups, not of nodes.
//
// Upstream of this package are the scheduler, which feeds the Snapshot, and whoever asks why: the answer to `minik why` is
// Explain's. Downstream is the scheduler again, which carries the decision out.
//
// Real Kubernetes has the same plugins, and some more: it binds claims that wait for their first consumer, counts what a driver can
// attach, hands out devices, and asks which features a node declares. Its plugins implement one interface for each extension
// point and share notes about a pod in a CycleState, where rows here read a shape. It asks nodes in parallel, and in large clusters only a part of them; it
// chooses among equals by chance. Pods that state no spreading are spread there among the pods that their Service,
// ReplicaSet or StatefulSet selects; here, among those of the same controller. matchLabelKeys of affinity are read here,
// where upstream's API server writes them into the selector when the pod is created: so they follow a pod whose labels
// change.
package framework
