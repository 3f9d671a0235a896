// Package main holds minik to upstream's conformance suite, and its tests hold it to upstream's own servers. It is a module of its own,
// because nothing of k8s.io/kubernetes is linked into minik.
//
//  1. `make conformance` builds the suite (suite/: upstream's specs, unmodified, with a limit for each), upstream's kubectl, which the
//     specs call, and ginkgo, which runs them (suite.go). The first time that takes minutes.
//  2. Where no registry can be reached, images.go makes what it can of the images that the suite asks for.
//  3. It starts a cluster with two nodes, in real or simulated containers (main.go), and runs the specs that may run together, and then
//     those that must run alone.
//  4. tabulate, a pure function in report.go, makes of ginkgo's reports how many specs of each SIG passed, failed and were not run, and
//     the first line of why. docs/conformance.md keeps the table of the last whole run of each runtime.
//
// The tests start each of upstream's servers as a process of its own, which is the test binary once more (main_test.go):
//
//   - kube-scheduler and kube-controller-manager work at minik's API server, without an error in their logs (upstream_servers_test.go);
//   - KWOK is the nodes of minik (kwok_test.go);
//   - minik's controllers, scheduler, kubelet and proxy work at kube-apiserver (minik_components_test.go).
//
// Upstream are k8s.io/kubernetes and package cluster; downstream is nobody. Real clusters are held to the same suite by Sonobuoy and
// hydrophone, which run it from an image.
package main
