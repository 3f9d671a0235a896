// Package etcd starts etcd inside this process, or connects to one elsewhere, and copies it to files and back.
//
//  1. The database is checked before it is opened (check.go), because etcd itself panics or waits for ever where it is damaged.
//  2. Etcd runs as a member that is alone: it listens for no other members, since whoever reaches such a listener can forge
//     what is stored. The API server calls its functions, without a connection (etcd.go, watch.go).
//  3. etcdctl finds it at a unix socket that only this user can reach (socket.go).
//  4. A snapshot is etcd's own format, so etcdctl and etcdutl read it, and theirs can be restored here (snapshot.go).
//
// Upstream is the API server's store; downstream are the disk and etcdctl. It is the only package that starts an etcd.
//
// Real Kubernetes runs etcd as processes of their own, usually three, that talk to each other and to the API server over TLS.
package etcd
