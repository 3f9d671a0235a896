// Package server is the HTTPS server of a node, which the API server asks on behalf of clients.
//
//		kubectl ──▶ apiserver/passthrough ──HTTPS, client certificate──▶ HERE ──▶ runtime
//
//	 1. server.go opens the server and lets in nobody but the API server.
//	 2. logs.go streams the log of a container, with upstream's parameters and errors.
//	 3. streaming.go connects clients to commands, to first processes and to ports of pods; it is k8s.io/cri-streaming that speaks to
//	    older clients, and websocket.go to those of today.
//
// Which pods there are it asks its kubelet ([Pods]). A real kubelet's server also answers for metrics, profiles and stats, and
// asks the API server who may do what; this one knows one caller.
package server
