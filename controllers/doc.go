// Package controllers makes what is there agree with what is wanted: pods for ReplicaSets, ReplicaSets for Deployments,
// endpoints for Services, and so on.
//
//		             ┌───────────────── one shared cache of each kind ─────────────────┐
//		apiserver ──watch──▶ informer ──▶ keys ──▶ queue ──▶ reconcile(key) ──▶ plan ──┘
//		    ▲                                                    │
//		    └──────────── create, update, delete, with cause and reason ◀─┘
//
//	 1. [New] makes one informer factory for all controllers and, for each row of the table in controllers.go, a client that
//	    speaks in that controller's name.
//	 2. An event of an informer is mapped to the keys it may concern: a pod wakes the ReplicaSet that controls it. The
//	    event's revision is remembered as a cause of the key (package journal).
//	 3. A worker takes a key out of the queue. A key that is added twice while it waits is worked on once, and never by two
//	    workers at a time.
//	 4. reconcile reads the owner and its children from the caches and hands them to a pure function, replicaset.PlanFor or
//	    planDeployment, which answers what to create, change and delete, and why. It is the same for every caller: no client,
//	    no clock.
//	 5. reconcile carries the plan out. Each write names the cause and the plan's reason. A failure puts the key back, later
//	    each time.
//	 6. What was written comes back as an event, which wakes the key again. The plan that finds nothing to do ends the
//	    chain.
//
// The loop is level-triggered: reconcile is never told which event woke it. So a missed event, a repeated one, a restart
// and a change made by hand are all the same to it.
//
// A cache is always a little old. What keeps a ReplicaSet from making its pods twice is that it remembers its own writes
// (ownwrites.go) and waits until its cache shows them.
//
// To add a controller: a file named after its kind with a pure plan and a reconcile, and a row in controllers.go.
//
// Upstream of this package is the API server, through informers; downstream is the API server again, through clients. The
// scheduler and the kubelets see nothing of it but the objects it writes.
//
// Real Kubernetes runs about forty such loops in kube-controller-manager, each written out by itself, elects a leader
// among several copies, and limits how many requests a second they may make together.
package controllers
