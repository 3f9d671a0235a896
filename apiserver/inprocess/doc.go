// Package inprocess is the way to the API server for what runs in its process: the components of `minik up`, and a test's clients.
//
//  1. [Server.RoundTripper] makes an http.RoundTripper of a client certificate, which is checked once, as in a handshake.
//  2. Each request is handed to the handler that serves the network, by a worker: a goroutine whose stack has grown already.
//  3. An [Answer] joins both sides: what the handler writes the client reads, a bounded piece at a time.
//
// Upstream are client-go's clients of the same process; downstream is the chain of package apiserver, which sees a request like
// any other.
//
// Real Kubernetes' parts are processes of their own; its API server speaks to itself over loopback.
package inprocess
