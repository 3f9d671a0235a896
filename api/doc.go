// Package api holds the two kinds that minik adds to Kubernetes' own, both in group minik.dev, version v1.
//
//   - A [Revision] says of one write to the store who made it, why, and because of which earlier writes. It is read-only:
//     the API server makes it, in the same transaction as the write itself (package journal says how).
//   - A [Control] is what a teacher does to a component: taking the power from a node and giving it back, or holding a
//     component before its next decision and letting one through (package control is the component's side). The
//     component it names watches it, so that the command line, a dashboard and kubectl all do the same thing, and over
//     process borders.
//
// Everything else that minik speaks is k8s.io/api. The package stands at the root because every component may import it,
// while none of them may import the API server.
//
// Real Kubernetes has neither kind. Its nearest relatives are the audit log, which is a file and not an object, and the
// power button of a machine; a scheduler that stops before a decision is a debugger's.
package api
