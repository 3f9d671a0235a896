// Package kubelet is the agent of one node: it runs the containers of the pods that were bound to the node, and
// reports.
//
//	apiserver ──watch(spec.nodeName=me)──▶ kubelet ──▶ kubelet/runtime (docker, sim)
//	    ▲                                     │
//	    └── pods/status, nodes/status, lease ─┘
//
// What is decided about a pod as a whole is here; what is about one thing has a room of its own below, which does not import this
// package.
//
//  1. A watch brings the node's pods (session.go). Each event, each change that the runtime reports and each timer
//     enqueues a pod's UID; one UID is worked on by one goroutine at a time (worker.go).
//  2. The worker gathers an [Observed] (observed.go): what the runtime lists, what was reported last, pulls under way, probe
//     results. What it remembers between two looks is in pod_state.go.
//  3. The pure function [Next] (next.go, and termination.go for a pod that has to end) says the ONE next step for the pod and why:
//     mount, pull, start the sandbox, start or stop a container, remove, delete the API object, or wait until a given time.
//     The worker carries the step out (actions.go) and looks again.
//  4. The pure function [PodStatus] (status.go, conditions.go) says what to report; the worker writes it where it differs
//     (status_report.go).
//  5. To start a container is to pull its image (image_pull.go; kubelet/images decides what becomes of one that cannot be had),
//     to resolve its environment (kubelet/env), and to give it what it mounts (start_container.go, container_mounts.go).
//  6. pod_volumes.go mounts the pod's volumes (kubelet/volumes) in the pod's directory (kubelet/poddir), and removes them.
//  7. Probes (kubelet/probes) feed their results back into Observed; hooks.go runs the hooks of containers.
//  8. A pod whose resources change is granted them where the node has room, and its running containers get them in place, or start
//     again with them (kubelet/resize decides, resize.go carries out).
//  9. node.go decides what the Node says; heartbeat.go registers it, renews its Lease every 2 s and its status when it changes.
//  10. kubelet/server answers the API server's calls over HTTPS: logs, what runs, commands, attached clients and forwarded ports.
//  11. node_shutdown.go watches the node's Control: without power every container is killed at once and nothing is reported.
//
// What a pod's containers see of the node is below Options.Dir/pods/<uid>: written volumes, /etc/hosts and /etc/resolv.conf
// (kubelet/network), and the termination logs, which termination_message.go reads. emptyDirs are kept by the runtime. Both outlive
// sandboxes and go before the pod's API object does; what an earlier kubelet left behind is found at the start. Without a directory
// volumes are checked and nothing is written. The seccomp profiles that pods name are below Options.Dir/seccomp (kubelet/seccomp):
// whoever runs the node puts them there.
//
// Ephemeral containers (ephemeral.go) are started once, before any other container that waits, and have no part in the pod's
// readiness.
//
// Containers carry labels (the Runtime's affair), so a kubelet that was killed finds its containers and starts none
// twice. Where they are gone, the restart count continues from the last reported status.
//
// An agent of many simulated nodes, kubelet/fleet, calls the same pure functions, so that its pods and nodes look and end the same.
//
// Real Kubernetes keeps one goroutine and a state machine per pod and relists the runtime each second (PLEG); this
// kubelet asks the runtime about one pod when it changed. It has no eviction, no image garbage collection, no cgroups
// of its own and no static pods.
package kubelet
