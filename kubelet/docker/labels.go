package docker

import (
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What containers, volumes and networks are found again by. The first four are what upstream's kubelets always wrote on
// Docker's containers, so that tools know them.
const (
	labelPodName   = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelUID       = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
	labelCluster   = "minik.dev/cluster"
	labelNode      = "minik.dev/node"
	labelAttempt   = "minik.dev/attempt"
	labelImage     = "minik.dev/image"  // what the spec called the image
	labelIP        = "minik.dev/pod-ip" // the address that a sandbox was given
	labelGPUs      = "minik.dev/gpus"   // the devices that a container was given, with commas
	labelVolume    = "minik.dev/volume" // the name of an emptyDir in the pod's spec
)

// sandboxName is the container name of a sandbox, as upstream's.
const sandboxName = "POD"

// podLabels are those of everything that belongs to a pod.
func (r *Runtime) podLabels(pod *corev1.Pod) map[string]string {
	return map[string]string{
		labelPodName: pod.Name, labelNamespace: pod.Namespace, labelUID: string(pod.UID),
		labelCluster: r.options.Cluster, labelNode: r.options.Node,
	}
}

// ours selects what belongs to this node of this cluster.
func (r *Runtime) ours() filters.Args {
	return filters.NewArgs(filters.Arg("label", labelCluster+"="+r.options.Cluster),
		filters.Arg("label", labelNode+"="+r.options.Node))
}

func ofCluster(cluster string) filters.Args {
	return filters.NewArgs(filters.Arg("label", labelCluster+"="+cluster))
}

func attemptOf(labels map[string]string) int32 {
	n, _ := strconv.ParseInt(labels[labelAttempt], 10, 32) // only this package writes it
	return int32(n)
}

func uidOf(labels map[string]string) types.UID { return types.UID(labels[labelUID]) }

// allOf lists the containers of the filter, running or not.
func allOf(args filters.Args) container.ListOptions {
	return container.ListOptions{All: true, Filters: args}
}
