// Package journal carries with every write who made it, why, and because of which earlier writes.
//
//  1. A component's loop keeps a [Causes]: with each key, the revisions of the events that enqueued it since the last
//     success. The deciding function never sees them.
//  2. When the loop works on a key it takes the [Cause] and puts it into the context ([WithCause]); the sentence of the
//     decision follows when there is one ([WithReason]).
//  3. [Transport], inside the client's transport, turns both into the request headers Minik-Cause and Minik-Reason.
//     [Config] makes a client configuration that does so and that says which component is speaking.
//  4. The API server reads them back ([FromRequest]), adds who it was and when, and writes the [Entry] to etcd in the same
//     transaction as the object. So a write and its entry are either both there or both not, and in one order.
//  5. It is read as a read-only resource, `kubectl get revisions`.
//  6. What is read is made sense of by pure functions: [Trace] builds the tree of causes and effects around an object,
//     [Gather] puts steps that are alike together, and [Difference] says what a write changed.
//
// Upstream of this package are the loops of scheduler, controllers, kubelet and proxy; downstream is apiserver.
//
// Real Kubernetes keeps no causes. Its audit log names the user and the verb, outside the store, and nothing connects a
// pod to the write that made its controller act.
package journal
