// Package suite is upstream's conformance suite as one test binary: the specs of k8s.io/kubernetes/test/e2e, unmodified, with a limit for
// each, so that a spec that waits for what never comes ends. The program one folder above builds it and runs it.
package suite
