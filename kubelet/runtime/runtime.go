package runtime

import (
	"context"
	"io"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Runtime runs containers. One implementation serves one node of one cluster; it never touches what is not its own.
// Every method is safe for concurrent use, and none of them blocks for as long as a container lives or ends.
type Runtime interface {
	// Run drives the runtime until ctx is done and returns when its goroutines have. It calls changed with the UID of
	// each pod whose sandbox or containers changed. changed returns at once and may be called spuriously.
	Run(ctx context.Context, changed func(types.UID)) error

	// PullImage makes the image ready as the policy says: one that is there already is used without asking a registry,
	// except with Always. It calls pulling just before a registry is asked. A failure is a *PullError where the kubelet
	// should report another reason than ErrImagePull.
	PullImage(ctx context.Context, request PullRequest, pulling func()) (imageID string, err error)

	// StartSandbox makes what the pod's containers share, its address above all. A pod has at most one sandbox.
	StartSandbox(ctx context.Context, pod *corev1.Pod, attempt int32) error

	// StartContainer starts one attempt at a container in the pod's sandbox and returns its ID. The container may still
	// be listed as Starting when it returns. Starting a name that is Starting or Running is an error.
	StartContainer(ctx context.Context, config ContainerConfig) (id string, err error)

	// Stop asks the container with this ID to end, kills it after grace, and returns without waiting; zero kills it at
	// once. A second call may shorten the grace and never lengthens it. A sandbox's ID ends all its containers at once
	// and gives back the pod's address; their logs stay. An ID that is unknown or has ended is no error.
	Stop(ctx context.Context, id string, grace time.Duration) error

	// Remove forgets a container, or a sandbox and all its containers, with their logs, killing what still runs. An ID
	// that is unknown is no error.
	Remove(ctx context.Context, id string) error

	// Pods lists the pods that have a sandbox: all of this node, or those with the given UIDs.
	Pods(ctx context.Context, uids ...types.UID) ([]Pod, error)

	// Logs writes a container's log to w. With Follow it blocks until the container has ended or ctx is done.
	Logs(ctx context.Context, id string, options LogOptions, w io.Writer) error
}

// Adopter is a Runtime whose containers live in the kubelet's own process. After the process was killed it is handed
// the node's pods once, and makes those containers run again that their status says were running.
type Adopter interface {
	Adopt(ctx context.Context, pods []*corev1.Pod) error
}

// Resizer is a Runtime that changes how much cpu and memory a running container has, and that does not restart it for that.
type Resizer interface {
	// Resize gives the container with this ID the cpu and memory of c. An error says that it has what it had before: it is
	// ErrNotFound where there is no such container, or it does not run.
	Resize(ctx context.Context, id string, c *corev1.Container) error
}

// Versioned is a Runtime that says its name and version for the Node's containerRuntimeVersion: "docker://28.1.0".
type Versioned interface {
	Version(ctx context.Context) (string, error)
}

// ImageLister is a Runtime that says which images are there, for the Node's status. The names are those by which pods ask
// for them, and each has a tag or a digest.
type ImageLister interface {
	Images(ctx context.Context) ([]corev1.ContainerImage, error)
}

// VolumeKeeper is a Runtime that keeps a pod's emptyDir volumes. They are made with the pod's first sandbox, outlive it,
// and stay until RemoveVolumes; Pods also lists pods of which nothing else is left. UIDs without any are no error.
type VolumeKeeper interface {
	RemoveVolumes(ctx context.Context, uid types.UID) error
}

// Executor is a Runtime that runs commands in running containers, and attaches clients to what they run.
type Executor interface {
	// Exec runs the command in the container with this ID, and returns with its exit code when it has ended and its
	// output is written. An error means that it never ran, or that nobody knows how it ended; ErrNotFound where there is
	// no such container, or it does not run. When ctx is done Exec returns; the command may run on.
	Exec(ctx context.Context, id string, command []string, streams Streams) (exitCode int32, err error)
	// Attach connects the streams to the container's first process until that ends, the client leaves or ctx is done.
	Attach(ctx context.Context, id string, streams Streams) error
}

// Streams are a client's connection to a process. Any of them may be nil.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY asks for a terminal; then Stderr is nil, and Resize tells its size whenever that changes.
	TTY    bool
	Resize <-chan TerminalSize
}

// TerminalSize is in characters.
type TerminalSize struct{ Width, Height uint16 }

// PodDialer is a Runtime that connects to a TCP port of the pod with this sandbox as one of its own containers would, at
// localhost. Of another Runtime's pods the kubelet dials the address.
type PodDialer interface {
	DialPod(ctx context.Context, sandboxID string, port int32) (net.Conn, error)
}

// LogOptions are those of a pod's log that a runtime can serve; zero values mean all of it.
type LogOptions struct {
	Follow     bool
	Timestamps bool
	// Tail is the number of newest lines; negative means all.
	Tail  int64
	Since time.Time
}
