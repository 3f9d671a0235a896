// Package apiserver is the one way in: everything that anybody knows or changes in a cluster goes through it, and it alone
// speaks to etcd.
//
//	kubectl ─▶ chain.go ─▶ serve.go ─▶ create, update, patch, delete ─▶ admission ─▶ store ─▶ etcd
//	                          │                                                      │
//	                          └──────▶ list, watch ◀──────────── caches ◀────────────┘
//
// The life of one request:
//
//  1. request.go reads from path and method what is asked for: a verb, a row of the table (package resources), a
//     namespace, a name, a subresource.
//  2. chain.go has it go through the filters, in order: who it is and whether they may (identity.go, package auth), what they
//     send (body.go), a place among the requests that run at the same time, and a deadline (inflight.go).
//  3. serve.go sends it to its verb. Each verb is written once, for every kind; what is particular to a kind are hooks of
//     its row.
//  4. A write's options are checked (options.go). It is decoded and given its defaults (decode.go), changed or refused by
//     admission, its fields' owner is noted (package fields), and it is validated. The store writes it and its journal
//     entry in one transaction.
//  5. An update is made of the newest state that is known, and made again when somebody else was faster (update.go, mutate).
//  6. A list or watch is served from the store's caches (list.go, watch.go), from bytes that were encoded before for
//     somebody else (encode.go).
//  7. answer.go answers, and negotiate.go decides how it is written: JSON, YAML or protobuf; the object, its metadata, or a row of a table.
//  8. A path below /at/<revision> is a read of the past, answered in the same way from etcd's history (past.go).
//  9. What went wrong becomes a Status in one place (errors.go).
//
// Beside the resources there are discovery and OpenAPI (packages of their own), /version, /healthz, /livez, /readyz and
// /metrics (plainpaths.go). Package passthrough calls in the other direction, a kubelet: logs, and connections that are passed
// on as they are (exec, attach, port-forward). Package inprocess is the way in for minik's own parts. kinds.go adds kinds to the
// table, and takes them away, while the server runs.
//
// Upstream are all clients; every other part of minik is one. Downstream are etcd, and kubelets for logs and connections.
//
// Real Kubernetes has a storage and a strategy object for each kind, converts between internal and served versions, keeps a
// watch cache for each resource with an etcd watch of its own, and puts aggregation, webhooks, priority and fairness, and
// audit into the chain.
package apiserver
