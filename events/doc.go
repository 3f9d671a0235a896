// Package events writes Events: what a component tells of an object, for those who read `kubectl describe`.
//
//  1. A deciding function says what there is to tell, an [Event]: [Normal] or [Warning], a reason, a message.
//  2. [Writer.Record] makes an Event of the API of it, with a name that no other has, and puts it in line. It never
//     waits: where too many wait already, the Event is dropped.
//  3. [Writer.Run] writes them, one after the other. client-go's correlator counts repetitions in one Event, folds many
//     similar ones together and drops a flood: 25 at once about one object, then one in five minutes.
//  4. While the API server cannot be reached, the line waits for it, as long as upstream's does.
//  5. When its context ends, what is in line by then is written, as far as that goes quickly.
//  6. Who may wait, and may lose none, writes at once instead: [Writer.Write], or [Writer.WriteV1] for events.k8s.io/v1.
//     The correlator does not see these.
//
// Upstream of this package are the loops of all components but dns; downstream is the API server, which forgets Events
// after an hour and keeps no journal of them.
//
// Real Kubernetes has two such libraries, client-go's tools/record and tools/events, whose clocks and goroutines cannot
// be given from outside. Its scheduler tells by the second, in series of one Event that repeats; here each stands alone.
package events
