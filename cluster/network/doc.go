// Package network decides where the addresses of a cluster are on this machine, listens at them, and says who may come in.
//
//  1. [Claim] chooses ranges for services, pods and nodes that nobody else has (ranges.go), and keeps others from taking them
//     (routes_linux.go); they are the same at the next start (saved.go). [Load] joins them from another process.
//  2. Root on Linux makes the ranges local by routes; elsewhere they are of 127.0.0.0/8, or ports of 127.0.0.1 (address.go says
//     which). Pods that are containers are on a bridge, which the engine makes (bridge.go). Each node has its part (nodes.go).
//  3. All parts of a cluster listen by [Network.Listen] and [Network.ListenUDP] (listen.go). Who may come in is decided in
//     admit.go; some of the descriptors that a process may have are kept from those who connect (descriptors.go).
//  4. All parts of a cluster connect to each other and to pods by [Network.Dial] (dial.go). Where the API server connects to
//     for its clients is decided in target.go.
//  5. What a cluster that was killed has left is found again, or taken away (leftovers.go).
//
// Upstream is package cluster, which hands a Network's functions to the components; downstream is the system. Real Kubernetes
// leaves ranges to kubeadm's flags, routes and bridges to a CNI plugin, and who may come in to firewalls and network policies.
package network
