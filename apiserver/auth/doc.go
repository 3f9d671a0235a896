// Package auth answers two questions about each request: who are you, and may you?
//
//  1. [Authenticate] takes the user from the client certificate that TLS has verified: its common name is the user's
//     name, its organizations are the groups, as upstream. Without one the user is system:anonymous; but whoever shows a
//     bearer token then is refused: none is issued here, so none is anybody's.
//  2. A user of system:masters may speak as somebody else ([Impersonate]; `kubectl --as`).
//  3. An [Authorizer] decides; the server is given it. [Builtin] decides by the rules that the user has, which are a short
//     table: administrators and minik's own components may do everything, everybody may ask for the server's health and
//     version and for their own rights, and nobody else may do anything. The reviews (`kubectl auth can-i`) ask it too.
//
// Upstream is the handler chain of apiserver, which calls the three in this order.
//
// Real Kubernetes asks RBAC, whose rules are objects (what a [Reader] is for), in the place of a table, and takes bearer tokens.
package auth
