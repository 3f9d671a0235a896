package runtime

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// PullRequest asks for an image that one container needs: its own, or that of a volume that it mounts.
type PullRequest struct {
	Pod       *corev1.Pod
	Container *corev1.Container
	Image     string
	// Policy is Always, IfNotPresent or Never, already defaulted.
	Policy corev1.PullPolicy
	// Secrets are those of the pod's imagePullSecrets that exist.
	Secrets []*corev1.Secret
}

// ContainerConfig is one attempt at a container, with everything that names other objects resolved.
type ContainerConfig struct {
	Pod       *corev1.Pod
	Container *corev1.Container
	// Attempt counts the earlier starts of this container in this pod; it is the restart count.
	Attempt int32
	ImageID string
	// ImageVolumes are the IDs of the images whose files the container mounts, by the names of its volumes of type image.
	ImageVolumes map[string]string
	// Target is the ID of the container of the pod whose processes this one sees; "" for those that the pod's spec says.
	Target string
	// Env is in the order of definition, a later value having replaced an earlier one of the same name.
	Env []EnvVar
	// Command and Args are the container's own with $(NAME) expanded; empty means the image's.
	Command, Args []string
	// Mounts are in the order of the spec, then what every container has (/etc/hosts, /etc/resolv.conf, the termination
	// log).
	Mounts []Mount
	// Seccomp is the profile of the node that the spec names by localhostProfile, as JSON; "" where it names none.
	Seccomp string
}

// Mount is a file or directory that a container sees.
type Mount struct {
	// ContainerPath is where, absolute.
	ContainerPath string
	// HostPath is a file or directory of this machine; where it is empty, the runtime keeps the emptyDir or the files of the image.
	// Volume is what the pod's spec calls the volume, and empty for the kubelet's own files.
	HostPath, Volume string
	// SubPath is the part of either to mount, relative and without "..", made as a directory where it is missing. Containers
	// may put links in its place at any time: what is mounted is nothing that is not in the volume. It is empty for all of it.
	SubPath string
	// Type is what a hostPath volume must be, [corev1.HostPathUnset] included: what is mounted must be of it, see
	// CheckHostPathType. It is nil for everything else. Files without it are the kubelet's own, which no container can replace.
	Type     *corev1.HostPathType
	ReadOnly bool
	// Propagation is the spec's mountPropagation; empty means None.
	Propagation corev1.MountPropagationMode
}

// EnvVar is one resolved environment variable.
type EnvVar struct{ Name, Value string }

// Pod is what the runtime has of one pod.
type Pod struct {
	UID             types.UID
	Namespace, Name string
	Sandbox         Sandbox
	// Containers are all attempts that were not removed, in no particular order.
	Containers []Container
	// Volumes are the emptyDirs that a VolumeKeeper keeps for the pod, by their names in the spec.
	Volumes []string
}

// PodOf is what the runtime has of one pod; no more than its UID where there is nothing.
func PodOf(ctx context.Context, r Runtime, uid types.UID) (Pod, error) {
	pods, err := r.Pods(ctx, uid)
	if err != nil {
		return Pod{}, fmt.Errorf("listing the containers of pod %s: %w", uid, err)
	}
	if len(pods) == 0 {
		return Pod{UID: uid}, nil
	}
	return pods[0], nil
}

// Sandbox is what a pod's containers share. A zero ID means that there is none.
type Sandbox struct {
	ID        string
	Attempt   int32
	Ready     bool
	IPs       []string
	CreatedAt time.Time
}

// IP is the first of the sandbox's addresses, or "".
func (s Sandbox) IP() string {
	if len(s.IPs) == 0 {
		return ""
	}
	return s.IPs[0]
}

// State is where a container stands; it only ever advances.
type State string

// The states of a container.
const (
	Starting State = "Starting"
	Running  State = "Running"
	Exited   State = "Exited"
)

// Container is one attempt at a container.
type Container struct {
	// ID is unique on the engine and starts with the runtime's name, as in a pod's status: "sim://f00…".
	ID, Name string
	Attempt  int32
	// Image is what the container's spec called it when it was started.
	Image, ImageID string
	State          State
	CreatedAt      time.Time
	StartedAt      time.Time // zero while Starting
	FinishedAt     time.Time // zero until Exited
	ExitCode       int32     // 128+n for an end by signal n
	// Reason and Message are set where the runtime knows more than the exit code, for example OOMKilled.
	Reason, Message string
}
