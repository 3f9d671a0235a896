// Package network decides by what names a pod knows itself and others: /etc/hosts (hosts.go) and /etc/resolv.conf (resolvconf.go) of
// its containers. The kubelet writes both when a container starts.
//
// Real kubelets pass a node's name server on the loopback on to pods, for which it is none; here the cluster's takes its place.
package network
