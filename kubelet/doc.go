// Package kubelet is the agent of one node: it runs the containers of the pods that were bound to the node, and
// reports.
//
//		apiserver ──watch(spec.nodeName=me)──▶ kubelet ──▶ Runtime (docker, sim)
//		    ▲                                     │
//		    └── pods/status, nodes/status, lease ─┘
//
//	 1. A watch brings the node's pods (kubelet.go). Each event, each change that the runtime reports and each timer
//	    enqueues a pod's UID; one UID is worked on by one goroutine at a time (worker.go).
//	 2. The worker gathers an [Observed]: what the runtime lists, what was reported last, pulls under way, probe results.
//	 3. The pure function next (next.go) says the ONE next step for the pod and why: mount, pull, start the sandbox, start
//	    or stop a container, remove, delete the API object, or wait until a given time. The worker carries the step out
//	    and looks again.
//	 4. The pure function podStatus (status.go) says what to report; the worker writes it where it differs.
//	 5. Probes (probe.go decides, prober.go dials) feed their results back into Observed.
//	 6. A pod whose resources change is granted them where the node has room (resize.go decides, resizing.go carries out), and
//	    its running containers get them in place, or start again with them, as their resizePolicy says (resize_status.go tells).
//	 7. node.go decides what the Node says; heartbeat.go registers it, renews its Lease every 2 s and its status when it changes.
//	 8. server.go answers the API server's calls over HTTPS: logs, what runs, and by streaming.go and websocket.go
//	    commands, attached clients and forwarded ports.
//	 9. power.go watches the node's Control: without power every container is killed at once and nothing is reported.
//
// What a pod's containers see of the node is below Options.Dir/pods/<uid>. volumes.go decides what is in configMap, secret,
// projected and downwardAPI volumes, volume_write.go writes it so that readers see all of a change or nothing, and watched.go
// follows what it is made of. names.go decides /etc/hosts and /etc/resolv.conf, mounts.go what a container mounts,
// serviceenv.go what it is told of services; terminationlog.go reads its last words. files.go carries this out. emptyDirs are
// kept by the runtime. Both outlive sandboxes and go before the pod's API object does; what an earlier kubelet left behind is
// found at the start. Without a directory volumes are checked and nothing is written.
//
// This process may write where containers may not, and containers write to what it mounts. What it writes for a pod goes through
// an os.Root of the pod's directory, and what it reads there is bounded. Parts of volumes that containers write to are resolved
// by the runtime, which mounts what it has opened (kubelet/subpath). A hostPath is found by its path, as upstream: whoever can
// write above it decides where it leads.
//
// The seccomp profiles that pods name by localhostProfile are read from Options.Dir/seccomp (seccomp.go): whoever runs the node
// puts them there. Simulated containers make no system calls, so there is nothing to confine.
//
// Ephemeral containers (ephemeral.go) are started once, before any other container that waits, and have no part in the pod's
// readiness.
//
// Containers carry labels (the Runtime's affair), so a kubelet that was killed finds its containers and starts none
// twice. Where they are gone, the restart count continues from the last reported status.
//
// Real Kubernetes keeps one goroutine and a state machine per pod and relists the runtime each second (PLEG); this
// kubelet asks the runtime about one pod when it changed. It has no eviction, no image garbage collection, no cgroups
// of its own and no static pods. Real kubelets mount volumes with plugins, here a runtime is handed what to mount; they keep
// every Service in a cache, here they are asked for at each start; and they hand a node's loopback name server on to pods, for
// which it is none: here the cluster's takes its place.
package kubelet
