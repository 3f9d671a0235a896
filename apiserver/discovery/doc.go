// Package discovery tells clients what the API server serves: which groups, in which versions, with which resources,
// verbs and short names. It is the first thing every client asks for; `kubectl get deploy` cannot know that "deploy" is
// a Deployment of group apps, served at /apis/apps/v1/namespaces/…/deployments, before it has read this.
//
//	builtin.All() ─▶ HERE ─▶ /api, /apis, /apis/apps/v1 … ─▶ kubectl, client-go's RESTMapper
//
// How the documents come about:
//
//  1. The rows of the table are sorted into groups and versions ([catalog]): a row appears once for each version in
//     which it is served. Groups keep the order of their first row, because clients search them in that order for a short
//     name; within a group the most stable and newest version comes first, and is the preferred one.
//  2. From the catalog come two forms of the same facts. The old form is a document for each level: APIVersions and
//     APIGroupList at the roots, APIGroup, and an APIResourceList for each version. The aggregated form is one
//     APIGroupDiscoveryList at each root, so that a client needs two requests instead of one for each version.
//  3. A request's Accept header chooses between the forms, and between JSON, YAML and protobuf. Each document carries an ETag
//     of its bytes, so that a client that kept it is answered 304.
//
// Upstream is the handler chain of package apiserver; downstream is nothing: the documents are a pure function of the
// table and are made once, when they are first asked for.
//
// Real Kubernetes also merges in the documents of aggregated API servers, which may be stale; here every version is
// always marked Current.
package discovery
