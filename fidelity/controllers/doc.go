// Package controllers holds minik's controllers to upstream's: both are run, whole, in the same histories, and what is stored after each
// step is compared, object by object and field by field.
//
//  1. server.go is client-go's fake clientset with what controllers need of a real API server: defaults, names, revisions, conflicts,
//     generations, statuses, and pods that end slowly.
//  2. history.go makes a history from a seed: what users ask for (workloads.go, services.go) and what kubelets report (pods.go).
//  3. sides.go runs kube-controller-manager's controllers on one server, and minik's on another. Time is testing/synctest's: a step is
//     over when nobody has anything left to do, and ten minutes pass at once.
//  4. state.go is what is stored then, and differences.go compares it. A difference ends the history, for all that follows may differ;
//     it fails the test, unless known.txt has its line, with the reason after #.
//
// The history of a difference is told again by its seed:
//
//	go test ./controllers -args -n 100000 -seed 7
//	go test ./controllers -args -n 1 -seed 4711
//
// Where two of upstream's controllers race, so does what comes of it: minik differs where it does in each of several tries. Set aside
// are how often an object was written, the order of endpoints and of their ports, and the annotation with the time of the last change,
// by which upstream measures how long a change of endpoints takes.
//
// Upstream are package controllers and k8s.io/kubernetes; downstream is nobody.
package controllers
