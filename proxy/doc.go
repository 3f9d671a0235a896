// Package proxy forwards connections to a Service's addresses to the pods behind it, in user space.
//
//		Services ──────┐                                    ┌─▶ pod 10.128.1.2:8080
//		EndpointSlices ┼─▶ rules ─▶ plan ─▶ listeners ──────┼─▶ pod 10.128.2.2:8080
//		Nodes ─────────┘   (pure)   (pure)  10.96.0.10:80   └─▶ pod 10.128.3.2:8080
//
//	 1. The loop ([Proxy.Run]) watches Services, EndpointSlices and Nodes. A change of any of them wakes it; changes that
//	    come while it works, or while it rests after work, are taken together.
//	 2. rules computes from the three the [Table]: for each address and protocol to listen on, the backends behind it, and
//	    why these. It is a pure function; the table is the explanation.
//	 3. plan compares the table with the listeners that are open: what to close, to change, and to open. A listener whose
//	    rule is the same is left alone, and one whose backends changed is told so while it stays open.
//	 4. A listener that cannot be opened gives one Event (FailedToStartListener) and one log line, and is tried again with
//	    back-off.
//	 5. A TCP connection is accepted, a backend picked ([balancer]: in turn, or by the client's address), dialled, and bytes
//	    copied both ways until both sides have ended. A backend that does not answer is passed over for the next.
//	 6. A UDP client gets a socket of its own towards one backend, until it has been silent for 30 s.
//
// At a Service's healthCheckNodePort each node answers load balancers with how many endpoints it has itself (healthcheck.go).
//
// A connection that is established lives until its ends close it, even when its backend leaves the Service or the Service
// goes. A UDP client is moved as soon as its backend has left.
//
// A Service port without backends has no listener at all: who connects is refused, by the kernel. A node that has lost
// its power (its Ready condition is Unknown) has no listeners either.
//
// Upstream of this package is the API server alone. Downstream are the pods, which the kubelets run. Where this
// machine really has an address that stands in an object, Options.Address says for listeners, and Options.Dial knows. Which
// ones objects may name at all is bounded by [Limits]; what they name besides is refused, with an Event of the Service. Who
// may connect is for Options.ListenTCP and ListenUDP to decide.
//
// Real Kubernetes writes rules for the kernel's packet filter instead (iptables, nftables, ipvs), on each node, and so
// keeps the client's address where this proxy shows its own. What differs further:
//
//   - One proxy stands for all nodes of its machine. With internalTrafficPolicy Local, "local" therefore means any node
//     of this machine; with externalTrafficPolicy Local it means the very node for its node ports, and any node of this
//     machine for load balancer addresses and external addresses. A client on the machine itself is no exception.
//   - Backends are taken in turn, not at random.
//   - ClientIP affinity is remembered for each address listened on, not for the Service as a whole.
//   - externalIPs, and load balancer addresses that the cluster has not given out, are listened on where the administrator
//     allows them; endpoints at loopback addresses are refused here, and not by validation.
//   - loadBalancerSourceRanges closes a connection where the packet filter drops its packets.
//   - Topology hints and trafficDistribution have no effect. SCTP is refused.
package proxy
