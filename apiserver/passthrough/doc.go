// Package passthrough passes requests on to whoever can answer them: the kubelet of a pod's node, and what pods, services and
// nodes serve over HTTP.
//
//		kubectl logs    ─▶ Log     ─▶ GET /containerLogs/… ─────────────┐
//		kubectl exec    ─▶ Connect ─▶ upgraded: WebSocket or SPDY ──────┼─▶ the kubelet, by its node's address
//		port-forward    ─▶ Connect ─▶ SPDY in the messages of a WebSocket┘
//		…/proxy/…       ─▶ Proxy   ─▶ any method, upgrades too ─────────▶ a pod, a backend of a service, a node
//
//	 1. The object says where: a pod its node and container ([Passthrough.Log], [Passthrough.Connect]), or itself what it serves and
//	    at which port (target.go).
//	 2. The address comes from an object that anybody may have written, so it is asked for whether it belongs to this cluster
//	    (allowed.go) before anything is sent there. Redirects are passed on to the client and never followed.
//	 3. What says who the client is is taken off.
//	 4. A connection that is taken over ends when either side goes, or the server stops.
//
// Upstream is package apiserver, which has found the object and let the client through. Downstream are kubelets and pods.
//
// Real Kubernetes does the same, and can be told to go by way of another program (konnectivity).
package passthrough
