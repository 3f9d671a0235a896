// Package probes asks running containers whether they have started, take requests and live.
//
//		kubelet ──Schedule──▶ HERE ──▶ runtime, or a connection to the container
//		   ▲                    │
//		   └──Changed, Results──┘
//
//	 1. probe.go decides: what one more answer makes of the verdict, when a probe is due next, and what the verdicts say of a
//	    container (started, ready, or to be killed). All of it is pure.
//	 2. The [Manager] asks (manager.go): each probe that is due has a goroutine for as long as the answer takes.
//	 3. HTTP, TCP and gRPC are dialed (dial.go, command.go), commands are run by the runtime. A runtime that is a [Prober] answers
//	    what it can itself.
//
// Hooks of containers dial and run commands by the same functions. Real kubelets have a goroutine for each probe of each container.
package probes
