package docker

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// patience bounds how long anything may take.
const patience = time.Minute

// testNode is a runtime that runs until the test ends or it is ended.
type testNode struct {
	*Runtime
	t   testing.TB
	end func()
	// imageVolumes are the images that containers mount, by their volumes.
	imageVolumes map[string]string
}

func run(t testing.TB, r *Runtime) *testNode {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, func(types.UID) {}) }()
	n := &testNode{Runtime: r, t: t}
	n.end = func() {
		n.end = func() {}
		cancel()
		require.NoError(t, <-ended)
	}
	t.Cleanup(func() { n.end() })
	return n
}

// podNamed is a pod with one container that runs the tool's arguments.
func podNamed(name, image string, args ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image, Args: args}}}}
}

// start starts an attempt at the pod's first container.
func (n *testNode) start(pod *corev1.Pod, attempt int32, mounts ...runtime.Mount) string {
	n.t.Helper()
	id, err := n.tryStart(pod, attempt, mounts...)
	require.NoError(n.t, err)
	return id
}

func (n *testNode) tryStart(pod *corev1.Pod, attempt int32, mounts ...runtime.Mount) (string, error) {
	n.t.Helper()
	c := &pod.Spec.Containers[0]
	image, err := n.PullImage(n.t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image, Policy: corev1.PullNever}, func() {})
	require.NoError(n.t, err)
	return n.StartContainer(n.t.Context(), runtime.ContainerConfig{Pod: pod, Container: c, Attempt: attempt, ImageID: image,
		Command: c.Command, Args: c.Args, Mounts: mounts, ImageVolumes: n.imageVolumes})
}

// pod is what the node lists of a pod; nil where there is nothing.
func (n *testNode) pod(uid types.UID) *runtime.Pod {
	n.t.Helper()
	pods, err := n.Pods(n.t.Context(), uid)
	require.NoError(n.t, err)
	if len(pods) == 0 {
		return nil
	}
	return &pods[0]
}

// ended waits until the container has ended.
func (n *testNode) ended(pod *corev1.Pod, id string) runtime.Container {
	n.t.Helper()
	var found runtime.Container
	require.Eventually(n.t, func() bool {
		if listed := n.pod(pod.UID); listed != nil {
			for _, c := range listed.Containers {
				if c.ID == id {
					found = c
				}
			}
		}
		return found.State == runtime.Exited
	}, patience, 5*time.Millisecond)
	return found
}

func (n *testNode) log(id string) string {
	n.t.Helper()
	var log bytes.Buffer
	require.NoError(n.t, n.Logs(n.t.Context(), id, runtime.LogOptions{Tail: -1}, &log))
	return log.String()
}

// awaitLog waits until the container's log has the text.
func (n *testNode) awaitLog(id, text string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return strings.Contains(n.log(id), text) }, patience, 5*time.Millisecond)
}

// output is what a container of the pod prints until it ends.
func (n *testNode) output(pod *corev1.Pod, mounts ...runtime.Mount) string {
	n.t.Helper()
	id := n.start(pod, 0, mounts...)
	n.ended(pod, id)
	return n.log(id)
}
