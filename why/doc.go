// Package why says what the scheduler, a kubelet or a controller makes of an object, and why, by asking the same functions that
// decide. It keeps no opinion of its own, and writes nothing.
//
//  1. [Ask] finds out what kind of object is meant, and whom to ask (ask.go). The question is about now or about an earlier
//     revision.
//  2. Of a pod, it is the scheduler's decision, node by node: that of a bound pod is made again on the state that was recorded
//     with it, that of another one on the state of then (pod.go). [WhatIf] asks for a pod that does not exist.
//  3. Of a bound pod, it is also what the kubelet of its node does next, as far as its status tells (kubelet.go).
//  4. Of other kinds, it is what their controllers would write: their own reconcile is rehearsed (controllers.go).
//  5. An [Answer] is JSON for programs, and a text for people (pod_text.go).
//
// Upstream is cmd/minik; downstream are scheduler, controllers and kubelet, whose pure functions are called, and the API, whose
// objects they are called with. Real Kubernetes has Events and conditions that say what was decided; why, and what would be
// decided, it does not say.
package why
