// Package resize decides the in-place resize of pods. All of it is pure.
//
// A container has three sets of cpu and memory: what its spec asks for, what the node has granted it, and what is in force
// where it runs.
//
//  1. The spec's is granted for the whole pod at once, where the node has room for it ([State.Grant], [State.Refusal]).
//  2. What was granted is brought into force, container by container, without or with a restart as the resizePolicy says
//     ([State.Change], [State.Ended]).
//  3. The status tells all of it, so that a kubelet that starts again goes on from there (status.go).
//
// The kubelet, which is upstream, counts what its other pods hold ([Add]), grants to one pod at a time and has the runtime carry it out.
// https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
package resize
