// Package cluster composes the parts into a running cluster. It is the only package that knows all of them.
//
// [Cluster.Run] is the boot order, in one function:
//
//  1. the data directory is locked, so that no two clusters share it;
//  2. what runs containers is chosen: Docker where its engine answers, else they are simulated;
//  3. blocks of addresses are claimed (package network), and the bridge of the pods is made where they are containers;
//  4. the certificate authority is read or made, and one certificate for each identity signed;
//  5. etcd;
//  6. the API server, then what every cluster has: the system's namespaces and the service `kubernetes`;
//  7. the controllers, the scheduler, the proxy and the name server;
//  8. one kubelet for each node, with a runtime of its own; the cluster is ready when every node is.
//
// They end in the opposite order, so that each can still say its last words to the API server, and everything but the data
// (pods' volumes are data) is gone when Run returns. What a process that was killed has left is found again by the next
// start, and taken away by [Clean] and [Reset]. [Serve] runs one component alone; six of them make the same cluster.
//
// Who may connect to any of them is decided in one place, network/admit.go, and where the API server connects to for
// its clients in another, network/target.go.
//
// Every component gets a *rest.Config with its own certificate, and nothing else of the others. Where the API server is in the
// same process, requests go straight to its handler: the way, who asks and what they may are the same, but for the sockets.
//
// Upstream is cmd/minik, and clustertest for Go tests. Real Kubernetes leaves this to kubeadm, systemd and static pods.
package cluster
