// Package fields keeps track of who owns which field of an object: metadata.managedFields, by which server-side apply finds
// conflicts and takes away what its manager no longer mentions.
//
//  1. [Managers.Create] and [Managers.Update] note what an ordinary write has set or changed, in the version in which the client
//     wrote it. Objects of one shape own the same fields, so the set is computed once for each shape and remembered.
//  2. [Managers.Of] is apimachinery's own manager for one kind, version and subresource, which merges what is applied.
//  3. What a list is keyed by, and which maps are one piece, is known of Kubernetes' kinds from client-go, read from the schema of
//     an unstructured kind, and deduced from the values of any other.
//  4. [Managers.Forget] drops what is remembered of a kind that is served no longer.
//
// Upstream is the verbs in package apiserver; downstream is package openapi, for the schemas of unstructured kinds.
//
// Real Kubernetes uses the same library, and computes the set of fields anew for each object.
package fields
