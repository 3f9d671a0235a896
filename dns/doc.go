// Package dns answers the names of the cluster: of Services, of the pods behind headless ones, and of pods by their
// addresses. Names outside of the cluster are passed on.
//
//		Services ──────┐
//		               ├─▶ zone ─▶ answer ◀── container's resolver, by way of Service kube-system/kube-dns
//		EndpointSlices ┘  (pure)   (pure)
//
//	 1. The loop ([Server.Run]) watches Services and EndpointSlices, and makes a new zone when they change (zone.go): all
//	    names there are, with their records. A zone never changes, so a question needs no lock. What the new one changes
//	    (changes.go) is the server's decision: while somebody holds it ([minik.dev/control]), it answers from the old one.
//	    Started while it is held, it does not answer before the first zone. That it stays registered is no decision.
//	 2. answer (answer.go) looks a question up. It follows the DNS-based service discovery specification of Kubernetes,
//	    version 1.1.0: https://github.com/kubernetes/dns/blob/master/docs/specification.md
//	 3. What is not of the cluster's domain goes to the name servers of this machine (forward.go). So not everybody may ask:
//	    Options.ListenTCP and ListenUDP keep out who is neither on this machine nor a pod.
//	 4. serve.go answers over UDP and TCP.
//	 5. The server is itself found by way of a Service: register.go keeps kube-system/kube-dns, at the tenth service address,
//	    and its EndpointSlice. The proxy does the rest.
//
// Upstream is the API server alone, as the user system:kube-dns. Downstream are the pods: their kubelets write the
// service's address into their resolv.conf.
//
// Real clusters run CoreDNS in pods of their own, configured by a Corefile. Its plugins, its cache and its zone transfers
// are not here; answers have its lifetime of 5 s, and are always those of the newest zone.
package dns
