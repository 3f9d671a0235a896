// Package runtime is what a kubelet and those who run its containers agree on: plain values, and the interface that one calls
// and the others implement.
//
//		kubelet ──runtime.Runtime──▶ docker, sim
//
//	 1. [Runtime] is what every runtime does; each of the other interfaces is an ability that some have (runtime.go).
//	 2. [Pod], [Sandbox] and [Container] are what a runtime has; [ContainerConfig] and [PullRequest] are what it is asked for
//	    (container.go), and its errors may say more than that it failed (errors.go).
//	 3. What every runtime has to decide alike is decided here: where a hostPort is listened on (hostport.go).
//
// kubelet/runtimetest is the contract as a test. Real kubelets speak CRI, which is gRPC to another process.
package runtime
