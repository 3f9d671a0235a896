// Package history reads a cluster's past by its API, and words it. `minik at`, `history`, `trace`, `undo` and `why --at` print
// what it says.
//
//  1. A [Moment] is a revision or a time. [FindRevision] halves its way through the journal to the revision of a time
//     (moment.go), and [At] points any client at a revision (revision.go).
//  2. A [Reader] reads the journal's revisions page by page, and objects as they were (reader.go). Nobody sees the values of a
//     Secret (secret.go).
//  3. [Text] is what was written, a line a revision (lines.go), [Reader.Diff] all that differs between two (diff.go).
//  4. [Reader.Around] reads the revisions that package journal makes the tree of causes and effects of (trace.go). The tree is
//     written as text, as JSON, or as OTLP's JSON for tracing tools (trace_text.go, trace_json.go, trace_otlp.go).
//  5. [NewUndo] says how to take back what a revision did (undo.go); whether that can be done is a pure function of the object
//     before it, after it and now (undo_plan.go).
//
// Upstream are cmd/minik and package why; downstream is any API server of minik's. What causes and effects are is decided in
// package journal. Real Kubernetes keeps some minutes of history for watches, and an audit log that says who wrote, but neither
// why nor because of what.
package history
