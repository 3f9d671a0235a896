// Package controllers makes what is there agree with what is wanted: pods for ReplicaSets, ReplicaSets for Deployments,
// endpoints for Services, and so on.
//
//	             ┌───────────────── one shared cache of each kind ─────────────────┐
//	apiserver ──watch──▶ informer ──▶ keys ──▶ queue ──▶ reconcile(key) ──▶ plan ──┘
//	    ▲                                                    │
//	    └──────────── create, update, delete, with cause and reason ◀─┘
//
// Where to find what:
//
//  1. controllers.go is the table: a row is a controller, with its name, its workers and what can be asked about it.
//  2. Each controller is a folder, named as upstream names its package. plan.go is the pure function that decides what to
//     do and why; reconcile.go gathers what the plan needs, calls it and carries it out; status.go, where there is one, is
//     what the controller reports.
//  3. Package loop is the one loop that all of them run in, from informer to queue to reconcile, and what any of them
//     needs: claiming children, waiting for own writes, and the rehearsal that answers why.
//  4. What several controllers decide alike has a package: podstate and nodestate read pods and nodes, backends says
//     which pods stand behind a Service, deletable which resources can be deleted.
//  5. [Why] asks the rows what they would do about an object, and nothing is written.
//
// No controller imports another; what one does, the others see through the API server. The only exception is replication,
// which is replicaset under an older name.
//
// To add a controller: a folder with a pure plan and a reconcile, and a row in controllers.go.
//
// Upstream of this package is the API server, through informers; downstream is the API server again, through clients. The
// scheduler and the kubelets see nothing of it but the objects it writes.
//
// Real Kubernetes runs about forty such loops in kube-controller-manager, each written out by itself, elects a leader
// among several copies, and limits how many requests a second they may make together.
package controllers
