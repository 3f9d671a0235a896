// Package fleet is the agent of many nodes at once: simulated ones, for clusters of thousands.
//
//		apiserver ──watch(nodes), watch(pods), watch(controls): one each──▶ fleet
//		    ▲                                                                 │
//		    └── pods/status, nodes, leases: a bounded number at a time ───────┘
//
//	 1. A node belongs to the fleet when it carries the label minik.dev/simulated=true, or KWOK's annotation
//	    kwok.x-k8s.io/node: fake (node.go). The fleet makes the first Options.Nodes of them itself, sim-1, sim-2, …; one
//	    that is deleted stays away until the next start. Nodes that others made keep capacity, addresses and labels.
//	 2. One watch brings the pods of all nodes. Each event and each timer enqueues a pod's UID; a few workers take it
//	    from there (pods.go). One heap holds all timers.
//	 3. The pure function [Advance] (pod.go) carries a pod on to now: what a runtime and the prober would have shown of
//	    it by then, by package sim's annotations, and what the kubelet's own pure functions say to do and to report. It
//	    returns the status to write, and when to look again. So a pod of the fleet looks and ends like any other.
//	 4. States that pass within a moment are not reported: a pod that starts undisturbed costs one write.
//	 5. Leases are renewed in batches, spread over an interval that grows with the fleet, and last four of them
//	    (lease.go).
//	 6. A node whose Control says so has no power: its Lease runs out, and its pods start anew when it is back.
//
// What a fleet's pod does not have: a process, a log, a listener. It cannot be asked for exec, attach, logs or
// forwarded ports (the API server says so), nothing answers at its address, hooks are over at once, probes succeed
// unless an annotation says otherwise, and ConfigMaps, Secrets and volumes are taken for granted. It emits Events
// about failures only; and its node reports no images, as a write of every node each time would cost too much. Between two runs of minik the fleet's containers run on, as on machines of their own.
//
// Upstream is the API server alone; nobody is downstream. KWOK, upstream's simulator, is a program of its own with
// the same annotation, and describes each phase in YAML; here the phases are the kubelet's.
package fleet
