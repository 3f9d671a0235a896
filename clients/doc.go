// Package clients tests minik with what other people write for Kubernetes: Helm 3, Helm 4 and controller-runtime, each as
// the library that it is, unmodified, against a whole cluster with simulated nodes.
//
// It is a module of its own, so that none of them is a dependency of minik. `make clients` runs it.
package clients
