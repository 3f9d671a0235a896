// Package resources is the table of kinds: one row for each kind that the API server serves, and nothing else that
// differs between kinds. The verbs (get, list, create, update, patch, delete, watch) are written once, in package
// apiserver; what they need to know of a kind they ask its row.
//
// What a write goes through, and which field of the row answers:
//
//	body ─▶ decode ─▶ Default ─▶ Prepare ─▶ admission ─▶ Validate ─▶ store
//	         New         1          2                       3        Claims
//
// The numbered steps:
//
//  1. Default fills in what the client left out, so that the stored object says everything that holds. It also runs on
//     what was defaulted before, and changes nothing then.
//  2. Prepare sets what belongs to the server (a Pod's phase and QoS class), or keeps it as it was.
//  3. Validate returns every mistake at once, each with the path of its field, in the words that users of Kubernetes
//     know from upstream: tools and people search for them. [ValidateMeta] does so for the metadata of every kind.
//     Warn says what is legal but unwise, and names the fields that minik does not honour yet.
//
// Reads ask for less: Fields and Indexed for field selectors, Columns and Cells for the table of `kubectl get`, Served
// for further versions of the same object.
//
// A file holds one noun: its row first, then its hooks. What pods need is split by hook and by the parts of a pod,
// because pods are most of what people write. To add a kind, write its file and name its row in [All]; the test of the
// whole table says what is missing, and a scenario in testdata/<noun> shows what the hooks answer.
//
// Upstream is the verbs in package apiserver; downstream is nothing: every hook is a pure function of plain objects.
//
// Real Kubernetes converts every object to an internal version and back, and spreads a kind over pkg/apis, pkg/registry
// and pkg/printers. Here the stored version is worked on directly, which is why a row fits on a page.
package resources
