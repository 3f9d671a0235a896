// Command minik is the command line: a thin shell around package cluster.
//
//  1. [main] builds one tree of commands (root.go): minik's own verbs, one file a verb, and all of kubectl's, which are
//     the real ones from k8s.io/kubectl (kubectl.go).
//  2. Before any command runs, the data directory is settled (home.go), and kubectl's commands are bound to the kubeconfig
//     that lies in it. So `minik get pods` never touches the cluster of ~/.kube/config or $KUBECONFIG.
//  3. `minik up` (up.go) runs a cluster.Cluster in this process. With -f it applies manifests (apply.go), follows
//     their rollout (package rollout) and asks every Service for an answer (package serviceurl).
//  4. The other verbs find a running cluster by its data directory. What `minik why` says is asked and worded in package why.
//  5. `minik at MOMENT` is taken out of the command line before anything else looks at it (at.go), and kubectl's command runs
//     with the path of a revision in the server's address. What `minik history`,
//     `trace` and `undo` say is read and worded in package history.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage; kubectl's commands keep kubectl's. An error is one line that says what was
// tried, what happened and what to do.
//
// Real Kubernetes has no such program: kubeadm or a cloud provider sets up the machines, each component is a binary of its
// own, and kubectl is told by its kubeconfig which cluster it speaks to.
package main

import (
	"os"
)

func main() { os.Exit(run(os.Args[1:])) }
