// Package loop runs controllers: from an event of an informer to a key in a queue to a reconcile.
//
//	informer ──▶ Watch: keys ──▶ queue ──▶ gate ──▶ Reconcile(key) ──▶ writes, with cause and reason
//
// The way of an event:
//
//  1. [New] makes one informer factory for all controllers and, for each [Row], a client that speaks in that controller's
//     name. The row's New makes a [Controller] from an [Env].
//  2. An event of an informer is mapped to the keys it may concern: a pod wakes the ReplicaSet that controls it, or those
//     that would adopt it ([Owners]). The event's revision is remembered as a cause of the key (package journal).
//  3. A worker takes a key out of the queue. A key that is added twice while it waits is worked on once, and never by two
//     workers at a time.
//  4. Reconcile reads the owner and its children from the caches and gives them to the controller's pure plan, which
//     answers what to create, change and delete, and why. It is the same for every caller: no client, no clock.
//  5. Reconcile carries the plan out. Each write names the cause and the plan's reason. A failure puts the key back, later
//     each time.
//  6. What was written comes back as an event, which wakes the key again. The plan that finds nothing to do ends the
//     chain.
//
// The loop is level-triggered: Reconcile is never told which event woke it. So a missed event, a repeated one, a restart
// and a change made by hand are all the same to it.
//
// A cache is always a little old. What keeps a ReplicaSet from making its pods twice is that it remembers its own writes
// ([OwnWrites]) and waits until its cache shows them.
//
// [Row.Rehearse] answers what a controller would do: its own Reconcile runs once, and its writes are noted instead of made.
//
// Upstream of this package is the API server, through informers; downstream are the controllers, one package each, and
// then the API server again.
//
// Real Kubernetes writes this loop out in every controller, with counters of expected events in place of own writes; its
// newer sibling controller-runtime has it once, as here.
package loop
