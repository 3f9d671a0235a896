// Package openapi describes the whole API in OpenAPI v2 and v3: every path with its verbs and parameters, and every
// type with its fields and their documentation. `kubectl explain` prints it; `kubectl apply` looks in it for the
// fieldValidation parameter before it trusts the server to check the fields, and for how lists are merged; generated
// clients are made from it.
//
//	builtin.All() ─┐
//	Go types ────────┼─▶ HERE ─▶ /openapi/v3, /openapi/v3/apis/apps/v1 …, /openapi/v2 ─▶ kubectl, Helm
//	SwaggerDoc() ────┘
//
// How the documents come about:
//
//  1. Each row of the table is taken once for every version in which it is served ([kind]).
//  2. Its verbs become operations (operations.go) below the paths of its collection, its objects and its subresources.
//     The query parameters of a verb are the fields of its options type, such as metav1.PatchOptions.
//  3. The types that the operations speak of become definitions (schemas.go), by reflection: a field's name, type and
//     format from its Go declaration, its documentation from the type's SwaggerDoc method, the strategic merge patch
//     from its tags. A type is named as upstream names it; minik's own are dev.minik.v1.<Type>.
//  4. What Go declarations cannot say is added: how server-side apply merges a list or a map and what a field is by
//     default (merging.go, borrowed from client-go), and which fields are required against their tag (corrections.go).
//  5. That is an OpenAPI v2 document. The documents of v3, one for each version, are made by the same steps from the
//     kinds of that version alone, and converted.
//
// A document is made when it is first asked for, and kept with its bytes. Media types, ETags and the hashes in the
// index of v3 are those of upstream's own handlers, in k8s.io/kube-openapi.
//
// Upstream is the handler chain of package apiserver; downstream is nothing: a document is a pure function of the
// table.
//
// Real Kubernetes generates the definitions from source code, comments included, and so it also lists the values of
// enumerations. minik's documents leave out the discovery paths, the deprecated /watch/ paths, and the query parameters
// of alpha features.
package openapi
