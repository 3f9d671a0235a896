// Package runtimetest is the contract of runtime.Runtime as a test: every implementation passes it, and what a kubelet
// relies on is written here and nowhere else.
package runtimetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// The containers that the suite asks for by name. A Subject gives each an image, a command or annotations to behave so.
const (
	// Runs runs until it is asked to end, logs at least one line at its start, and then ends within a second.
	Runs = "runs"
	// Fails ends by itself at once with code 3.
	Fails = "fails"
	// Stubborn logs a line, and from then on does not end when it is asked to.
	Stubborn = "stubborn"
)

// patience bounds how long anything may take.
const patience = 20 * time.Second

// Subject is a runtime under test.
type Subject struct {
	Runtime runtime.Runtime
	// Prepare completes a pod whose containers have the names above.
	Prepare func(pod *corev1.Pod)
}

// Run checks the contract. newSubject makes a runtime that has no containers and cleans up after the test.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	for name, check := range map[string]func(*testing.T, *bench){
		"a sandbox is listed until it is removed":               sandbox,
		"pods have addresses of their own":                      addresses,
		"a container runs once":                                 once,
		"a container that ends by itself can be started again":  again,
		"a container ends when it is asked to":                  asked,
		"a container that does not end is killed after grace":   graceful,
		"a stopped sandbox has ended containers and their logs": stopped,
		"a removed sandbox takes everything with it":            removed,
		"a log can be read in part and followed":                logs,
		"a container may see another's processes":               target,
		"an image that is there is used without a registry":     images,
		"a running container is resized where it is":            resized,
	} {
		t.Run(name, func(t *testing.T) { check(t, newBench(t, newSubject(t))) })
	}
}

// bench drives a runtime and counts what it tells.
type bench struct {
	Subject
	mu   sync.Mutex
	told map[types.UID]int
}

func newBench(t *testing.T, subject Subject) *bench {
	b := &bench{Subject: subject, told: map[types.UID]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- subject.Runtime.Run(ctx, func(uid types.UID) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told[uid]++
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Run did not return after its context was done")
		}
	})
	return b
}

func (b *bench) changes(uid types.UID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told[uid]
}

// pod is a pod with the named containers, with its sandbox started.
func (b *bench) pod(t *testing.T, name string, containers ...string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)}}
	for _, c := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c})
	}
	b.Prepare(pod)
	require.NoError(t, b.Runtime.StartSandbox(t.Context(), pod, 0))
	return pod
}

func (b *bench) start(t *testing.T, pod *corev1.Pod, index int, attempt int32) string {
	c := &pod.Spec.Containers[index]
	image, err := b.Runtime.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image,
		Policy: corev1.PullIfNotPresent}, func() {})
	require.NoError(t, err)
	id, err := b.Runtime.StartContainer(t.Context(),
		runtime.ContainerConfig{Pod: pod, Container: c, Attempt: attempt, ImageID: image, Command: c.Command, Args: c.Args})
	require.NoError(t, err)
	return id
}

func (b *bench) get(t *testing.T, pod *corev1.Pod) *runtime.Pod {
	pods, err := b.Runtime.Pods(t.Context(), pod.UID)
	require.NoError(t, err)
	if len(pods) == 0 {
		return nil
	}
	require.Len(t, pods, 1)
	return &pods[0]
}

// await waits until the container is in that state and returns it.
func (b *bench) await(t *testing.T, pod *corev1.Pod, id string, state runtime.State) runtime.Container {
	var found runtime.Container
	require.Eventually(t, func() bool {
		if listed := b.get(t, pod); listed != nil {
			for _, c := range listed.Containers {
				if c.ID == id {
					found = c
				}
			}
		}
		return found.State == state
	}, patience, 5*time.Millisecond, "container %s never was %s", id, state)
	return found
}

func (b *bench) log(t *testing.T, id string) string {
	var log bytes.Buffer
	require.NoError(t, b.Runtime.Logs(t.Context(), id, runtime.LogOptions{Tail: -1}, &log))
	return log.String()
}

// awaitLog waits until the container has logged something: that it runs does not say that its program has begun.
func (b *bench) awaitLog(t *testing.T, id string) {
	require.Eventually(t, func() bool { return b.log(t, id) != "" }, patience, 5*time.Millisecond)
}

func sandbox(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	other := b.pod(t, "other", Runs)
	require.Error(t, b.Runtime.StartSandbox(t.Context(), pod, 1), "a pod has at most one sandbox")
	listed := b.get(t, pod)
	require.NotNil(t, listed)
	require.Equal(t, "web", listed.Name)
	require.Equal(t, "default", listed.Namespace)
	require.True(t, listed.Sandbox.Ready)
	require.Len(t, listed.Sandbox.IPs, 1)
	all, err := b.Runtime.Pods(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.NoError(t, b.Runtime.Remove(t.Context(), listed.Sandbox.ID))
	require.Nil(t, b.get(t, pod))
	require.NotNil(t, b.get(t, other))
	require.NoError(t, b.Runtime.Remove(t.Context(), listed.Sandbox.ID), "removing twice is no error")
	require.NoError(t, b.Runtime.StartSandbox(t.Context(), pod, 1), "a removed sandbox may be made anew")
	require.NotEqual(t, listed.Sandbox.ID, b.get(t, pod).Sandbox.ID)
}

func addresses(t *testing.T, b *bench) {
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		ip := b.get(t, b.pod(t, name, Runs)).Sandbox.IPs[0]
		require.False(t, seen[ip], "address %s was given twice", ip)
		seen[ip] = true
	}
}

func once(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	before := b.changes(pod.UID)
	id := b.start(t, pod, 0, 0)
	c := b.await(t, pod, id, runtime.Running)
	require.Equal(t, Runs, c.Name)
	require.EqualValues(t, 0, c.Attempt)
	require.NotEmpty(t, c.ImageID)
	require.False(t, c.StartedAt.IsZero())
	require.Contains(t, id, "://", "IDs carry the runtime's name")
	require.Eventually(t, func() bool { return b.changes(pod.UID) > before }, patience, 5*time.Millisecond)
	_, err := b.Runtime.StartContainer(t.Context(),
		runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0], Attempt: 1, ImageID: c.ImageID})
	require.Error(t, err, "a second copy of a running container was started")
}

func again(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Fails)
	first := b.start(t, pod, 0, 0)
	c := b.await(t, pod, first, runtime.Exited)
	require.EqualValues(t, 3, c.ExitCode)
	require.False(t, c.FinishedAt.Before(c.StartedAt))
	second := b.start(t, pod, 0, 1)
	require.NotEqual(t, first, second)
	b.await(t, pod, second, runtime.Exited)
	require.Len(t, b.get(t, pod).Containers, 2, "an earlier attempt is kept until it is removed")
	require.NoError(t, b.Runtime.Remove(t.Context(), first))
	require.Len(t, b.get(t, pod).Containers, 1)
}

func asked(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	id := b.start(t, pod, 0, 0)
	b.await(t, pod, id, runtime.Running)
	b.awaitLog(t, id) // a signal that comes before its program has begun is lost
	begin := time.Now()
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Hour))
	require.NotEqualValues(t, 137, b.await(t, pod, id, runtime.Exited).ExitCode)
	require.Less(t, time.Since(begin), patience)
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Second), "stopping what has ended is no error")
	require.NoError(t, b.Runtime.Stop(t.Context(), "none://such", time.Second))
}

func graceful(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Stubborn, Stubborn+"-too")
	b.Prepare(pod)
	id := b.start(t, pod, 0, 0)
	b.await(t, pod, id, runtime.Running)
	b.awaitLog(t, id)
	begin := time.Now()
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Hour))
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Second), "the second call shortens the grace")
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Hour), "and the third does not lengthen it")
	require.Less(t, time.Since(begin), time.Second, "Stop does not wait for the end")
	c := b.await(t, pod, id, runtime.Exited)
	require.EqualValues(t, 137, c.ExitCode)
	require.GreaterOrEqual(t, time.Since(begin), 900*time.Millisecond, "it was killed before its grace was over")
}

func stopped(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	id := b.start(t, pod, 0, 0)
	b.await(t, pod, id, runtime.Running)
	b.awaitLog(t, id)
	require.NoError(t, b.Runtime.Stop(t.Context(), b.get(t, pod).Sandbox.ID, 0))
	b.await(t, pod, id, runtime.Exited)
	require.False(t, b.get(t, pod).Sandbox.Ready)
	require.NotEmpty(t, b.log(t, id))
}

func removed(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	id := b.start(t, pod, 0, 0)
	b.await(t, pod, id, runtime.Running)
	require.NoError(t, b.Runtime.Remove(t.Context(), b.get(t, pod).Sandbox.ID))
	require.Nil(t, b.get(t, pod))
	err := b.Runtime.Logs(t.Context(), id, runtime.LogOptions{Tail: -1}, &bytes.Buffer{})
	require.ErrorIs(t, err, runtime.ErrNotFound)
}

func logs(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	id := b.start(t, pod, 0, 0)
	b.await(t, pod, id, runtime.Running)
	read := func(options runtime.LogOptions) string {
		var log bytes.Buffer
		require.NoError(t, b.Runtime.Logs(t.Context(), id, options, &log))
		return log.String()
	}
	b.awaitLog(t, id)
	require.Empty(t, read(runtime.LogOptions{Tail: 0}))
	require.Equal(t, 1, strings.Count(read(runtime.LogOptions{Tail: 1}), "\n"))
	require.Empty(t, read(runtime.LogOptions{Tail: -1, Since: time.Now().Add(time.Hour)}))
	stamp, _, _ := strings.Cut(read(runtime.LogOptions{Tail: 1, Timestamps: true}), " ")
	_, err := time.Parse(time.RFC3339Nano, stamp)
	require.NoError(t, err)
	followed := make(chan error, 1)
	go func() {
		followed <- b.Runtime.Logs(t.Context(), id, runtime.LogOptions{Tail: -1, Follow: true}, &bytes.Buffer{})
	}()
	require.NoError(t, b.Runtime.Stop(t.Context(), id, time.Second))
	select {
	case err := <-followed:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("following did not end with the container")
	}
}

// target starts a container that was added to the pod later, with the processes of another.
func target(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	first := b.start(t, pod, 0, 0)
	b.await(t, pod, first, runtime.Running)
	added := pod.DeepCopy()
	added.Spec.Containers = []corev1.Container{{Name: Runs + "-too"}}
	b.Prepare(added)
	c := added.Spec.Containers[0]
	added.Spec.Containers = pod.Spec.Containers
	added.Spec.EphemeralContainers = []corev1.EphemeralContainer{
		{EphemeralContainerCommon: corev1.EphemeralContainerCommon(c), TargetContainerName: Runs}}
	image, err := b.Runtime.PullImage(t.Context(), runtime.PullRequest{Pod: added, Container: &c, Image: c.Image,
		Policy: corev1.PullIfNotPresent}, func() {})
	require.NoError(t, err)
	id, err := b.Runtime.StartContainer(t.Context(), runtime.ContainerConfig{Pod: added, Container: &c, ImageID: image,
		Target: first, Command: c.Command, Args: c.Args})
	require.NoError(t, err)
	b.await(t, pod, id, runtime.Running)
	b.awaitLog(t, id)
	require.Len(t, b.get(t, pod).Containers, 2)
	require.NoError(t, b.Runtime.Stop(t.Context(), id, patience))
	require.Zero(t, b.await(t, pod, id, runtime.Exited).ExitCode)
	require.Equal(t, runtime.Running, b.await(t, pod, first, runtime.Running).State, "the target runs on")
}

func images(t *testing.T, b *bench) {
	pod := b.pod(t, "web", Runs)
	c := pod.Spec.Containers[0]
	pull := func(policy corev1.PullPolicy) error {
		_, err := b.Runtime.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: &c, Image: c.Image, Policy: policy}, func() {})
		return err
	}
	require.NoError(t, pull(corev1.PullIfNotPresent))
	_, err := b.Runtime.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: &c, Image: c.Image,
		Policy: corev1.PullIfNotPresent}, func() { t.Error("a registry was asked for an image that is there") })
	require.NoError(t, err)
	require.NoError(t, pull(corev1.PullNever), "an image that is there needs no registry")
	if lister, ok := b.Runtime.(runtime.ImageLister); ok {
		there, err := lister.Images(t.Context())
		require.NoError(t, err)
		require.Condition(t, func() bool {
			return slices.ContainsFunc(there, func(i corev1.ContainerImage) bool {
				return i.SizeBytes > 0 && (slices.Contains(i.Names, c.Image) || slices.Contains(i.Names, c.Image+":latest"))
			})
		}, "%s is not among %v", c.Image, there)
	}
	c.Image = "minik.dev/no-such-image:never"
	var refused *runtime.PullError
	require.ErrorAs(t, pull(corev1.PullNever), &refused)
	require.Equal(t, "ErrImageNeverPull", refused.Reason)
}
