// Package store keeps versioned objects in etcd and serves every read of the present from memory.
//
//		create, update, delete ──▶ one transaction ──▶ etcd ──▶ one watch ──▶ caches ──▶ lists, gets, watches
//
//	 1. A write is one etcd transaction: the object, on the condition that nobody wrote it meanwhile; its claims (an
//	    address, a port), on the condition that nobody else holds them; and its journal entry. Either all of it happens or
//	    nothing does. Objects are JSON, so that `etcdctl get` shows what is there.
//	 2. ONE etcd watch over the whole key space feeds the caches of all resources, in commit order. One watch for each
//	    resource would hang: a quiet resource never hears of the newest revision, and a read that waits for that revision
//	    would wait for ever.
//	 3. A cache holds the present in an ordered tree, and the last events in a bounded window. Lists copy the tree (which
//	    costs nothing: it is shared until the next write) and watches start from the window.
//	 4. A read first makes sure that the cache has caught up with etcd (consistent.go). While this process is etcd's only writer
//	    it knows the newest revision that anybody was told of; else it asks etcd.
//	 5. An object is decoded once (or not at all, when this process wrote it) and encoded once for each revision and media
//	    type. The bytes are shared by everyone who asks.
//	 6. A watcher has a bounded queue. One that falls behind is cut off and told so; nobody ever waits for it.
//	 7. The past is read from etcd at a revision (past.go). What happened since then is replayed from the journal, with
//	    each object that it names as it was (replay.go).
//	 8. History is bounded by age and by size: compaction runs by itself, well before etcd's quota.
//
// Upstream is the REST layer of apiserver; downstream is etcd.
//
// Real Kubernetes opens one etcd watch for each resource, stores most kinds as protobuf, keeps addresses in bitmaps of
// their own that a repair loop reconciles, and has no journal.
package store
