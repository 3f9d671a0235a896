// Package docker runs the containers of one node's pods on a Docker engine. It is the only package that imports Docker.
//
//		kubelet ──runtime.Runtime──▶ HERE ──HTTP──▶ engine
//		   ▲                          │ ▲              │
//		   └── "this pod changed" ────┘ └── events ────┘
//
//	 1. [Connect] finds the engine as the docker command does, and asks who it is (engine.go, context.go).
//	 2. [Engine.EnsureNetwork] makes the cluster's one bridge network (network.go). Every node's pods have addresses of their
//	    node's part of its range.
//	 3. A [Runtime] is one node. It follows the engine's events (events.go) and keeps what it has seen of its containers, so
//	    that looking at a pod costs nothing and a kubelet at rest asks nothing. After a lost connection it lists everything.
//	 4. A pod is a sandbox (sandbox.go): a container that holds the network namespace and does nothing else. Its program is
//	    made here (pause.go), so it needs no registry.
//	 5. The pod's containers join it. What the engine is asked for is a pure function of spec, node and sandbox
//	    (container.go, security.go).
//	 6. emptyDirs are volumes of the engine (volumes.go): no right on the machine is needed to make or remove them.
//	 7. Containers are asked to end, and killed when their time is over (stop.go).
//	 8. Logs, commands, attached clients and connections into pods are streams of the engine (logs.go, exec.go, dial.go).
//
// Everything carries labels: of the pod, of the cluster and of the node. So a kubelet that was killed finds its containers
// again, and what is another cluster's, or a user's, is never touched. A container's name on the engine follows from pod,
// name and attempt: the engine itself refuses a second copy.
//
// Real Kubernetes speaks CRI to containerd or CRI-O and no longer to Docker; its sandbox gets its address from a CNI plugin,
// its volumes are directories of the kubelet, and its cgroups are nested by pod and quality of service: here every
// container's limits are its own.
package docker
