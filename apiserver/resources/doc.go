// Package resources is what a kind is to the API server: a row, and nothing else that differs between kinds. The verbs (get, list, create,
// update, patch, delete, watch) are written once, in package apiserver; what they need to know of a kind they ask its row.
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
// What is where:
//
//	resource.go     the row; hooks.go makes hooks of functions of one Go type, subresource.go has status, scale and the like,
//	                review.go the rows that are questions
//	prepare.go      what a write asks of a row, in order; metadata.go has what holds of the metadata of every kind
//	registry.go     the rows that are served now: kinds come and go while the server runs
//	core/ apps/ …   a folder for each API group, named as in k8s.io/api, which returns its rows: a file a kind, the row first, then its
//	                hooks; <noun>_validate.go and the like where there are many; scenarios in testdata/<noun>
//	podspec/        what the specs of pods and of templates may say; most of what people write are pods
//	volumes/        what claims and volumes may say, validation/ the checks of names, numbers and amounts; defaults/ and printers/ serve
//	                the other hooks. They are for what several groups ask for: a group never imports another one
//	builtin/        builtin.All puts the groups together, in the order of discovery; its tests hold the whole table together, and play the
//	                scenarios
//
// Upstream is the verbs in package apiserver; downstream is nothing: every hook is a pure function of plain objects.
//
// Real Kubernetes converts every object to an internal version and back, and spreads a kind over pkg/apis, pkg/registry
// and pkg/printers. Here the stored version is worked on directly, which is why a row fits on a page.
package resources
