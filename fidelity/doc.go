// Package fidelity holds minik to upstream's own code: what minik makes of an object is compared with what Kubernetes makes of it, in
// one process, for as many objects as one likes. It is a module of its own, because nothing of k8s.io/kubernetes is linked into minik.
//
//  1. inputs.go reads every object that is written in minik's examples and tests, and has upstream's fuzzers make others.
//  2. mutate.go changes them in a few places at a time, as somebody would who errs. Half of them become updates of what was stored.
//  3. writes.go asks both sides for a verdict: the object as it would be stored, its mistakes, its warnings. minik's side is the
//     methods of package resources by which its API server does it, without admission; upstream's is its scheme's defaults and
//     rest.BeforeCreate and rest.BeforeUpdate with the kind's strategy (kinds.go), at the feature gates that v1.37 has by default.
//     Services are given their addresses and ports before (serviceaddresses.go): by upstream's storage, and by minik's admission.
//     A status is written onto what upstream has accepted (status.go), and its own strategy asked.
//  4. differences.go compares the verdicts and counts the differences, with all taken out that varies from object to object.
//  5. Package scheduling does the same for the decisions of the two schedulers, and package controllers for what both sides' controllers
//     make of the same histories.
//
// The tests are named after what is compared. A difference fails them, unless known.txt has its line, with the reason after #.
// TestDiscovery compares what the two say of their kinds, and names what differs itself.
//
//	go test -run 'TestValidation/^Pod$' -args -n 100000 -seed 7
//	go test -run 'TestDefaults/Service' -args -all -show clusterIPs
//
// Of an error its path, type and detail are compared, and where those agree the value that it shows, unless that is an object. Set
// aside are what a server gives every new object (uid, creationTimestamp, managedFields), minik's own warnings of what it does not do
// yet, and what upstream's compiler says of expressions in CEL, which minik does not compile yet. Not compared yet are the
// kinds that kinds.go lists as differing (-all compares them as well), subresources but for the status, and kinds that have no strategy
// upstream: reviews, Bindings and ComponentStatuses.
//
// Upstream are package resources and k8s.io/kubernetes; downstream is nobody. Real Kubernetes compares its own generated rules with
// its handwritten ones in a similar way.
package fidelity
