package clustertest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/clustertest"
	"minik.dev/kubelet/docker/dockertest"
)

// accessPatience bounds each conversation with a container.
const accessPatience = time.Minute

// way is one of the protocols that clients come by.
type way struct {
	name string
	exec func(*rest.Config, string, *url.URL) (remotecommand.Executor, error)
}

var ways = []way{
	{"WebSocket", func(c *rest.Config, method string, at *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewWebSocketExecutor(c, http.MethodGet, at.String())
	}},
	{"SPDY", remotecommand.NewSPDYExecutor},
}

func TestAccessToContainers(t *testing.T) {
	image := dockertest.Busybox(t)
	config := clustertest.Start(t, clustertest.Docker())
	client := kubernetes.NewForConfigOrDie(config)
	startPod(t, client, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "box"}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: ptr.To[int64](0),
		Containers: []corev1.Container{{Name: "box", Image: image, Stdin: true,
			Command: []string{"sh", "-c", "httpd -p 127.0.0.1:8080 -h /etc; while read line; do echo got $line; done; sleep 1000"}}},
	}})
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			e := entrance{t, config, client, w}
			t.Run("output and exit code", e.exitCode)
			t.Run("input that ends", e.input)
			t.Run("much output", e.much)
			t.Run("a terminal and its size", e.terminal)
			t.Run("a command that is not there", e.absent)
			t.Run("attach", e.attach)
			t.Run("a client that goes away", e.away)
		})
	}
	t.Run("ports over SPDY", func(t *testing.T) { forward(t, config, client, false) })
	t.Run("ports over a WebSocket", func(t *testing.T) { forward(t, config, client, true) })
}

func TestSimulatedContainersSayThatTheyCannotBeEntered(t *testing.T) {
	config := clustertest.Start(t)
	client := kubernetes.NewForConfigOrDie(config)
	startPod(t, client, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "box"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "box", Image: "nginx"}}}})
	for _, w := range ways {
		_, _, err := entrance{t, config, client, w}.run(t.Context(), remotecommand.StreamOptions{}, false, "true")
		require.ErrorContains(t, err, "simulated", w.name)
	}
}

// entrance is one client's way into the pod "box".
type entrance struct {
	t      *testing.T
	config *rest.Config
	client kubernetes.Interface
	way    way
}

// run runs a command and returns what it wrote.
func (e entrance) run(ctx context.Context, streams remotecommand.StreamOptions, tty bool, command ...string) (
	out, errs string, err error) {
	var stdout, stderr bytes.Buffer
	if streams.Stdout == nil {
		streams.Stdout = &stdout
	}
	if !tty {
		streams.Stderr = &stderr
	}
	streams.Tty = tty
	err = e.stream(ctx, streams, "exec", &corev1.PodExecOptions{Container: "box", Command: command,
		Stdin: streams.Stdin != nil, Stdout: true, Stderr: !tty, TTY: tty})
	if ctx.Err() != nil {
		return "", "", err // the client still copies for a moment
	}
	return stdout.String(), stderr.String(), err
}

func (e entrance) stream(ctx context.Context, streams remotecommand.StreamOptions, sub string, options runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, accessPatience)
	defer cancel()
	at := e.client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name("box").SubResource(sub).
		VersionedParams(options, scheme.ParameterCodec).URL()
	executor, err := e.way.exec(e.config, http.MethodPost, at)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams)
}

func (e entrance) exitCode(t *testing.T) {
	out, errs, err := e.run(t.Context(), remotecommand.StreamOptions{}, false, "sh", "-c", "echo one; echo two >&2; exit 7")
	require.Equal(t, "one\n", out)
	require.Equal(t, "two\n", errs)
	var exit utilexec.CodeExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.Code)
}

func (e entrance) input(t *testing.T) {
	out, _, err := e.run(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader("a\nb\n")}, false, "cat")
	require.NoError(t, err)
	require.Equal(t, "a\nb\n", out)
}

func (e entrance) much(t *testing.T) {
	data := make([]byte, 10<<20)
	_, _ = rand.Read(data)
	var back bytes.Buffer
	_, _, err := e.run(t.Context(), remotecommand.StreamOptions{Stdin: bytes.NewReader(data), Stdout: &back}, false, "cat")
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, back.Bytes()), "%d bytes came back of %d, or others", back.Len(), len(data))
}

// onceSized is a terminal whose size is told once.
type onceSized chan remotecommand.TerminalSize

func (s onceSized) Next() *remotecommand.TerminalSize {
	size, ok := <-s
	if !ok {
		return nil
	}
	return &size
}

func (e entrance) terminal(t *testing.T) {
	sizes := make(onceSized, 1)
	sizes <- remotecommand.TerminalSize{Width: 123, Height: 45}
	defer close(sizes)
	out, _, err := e.run(t.Context(), remotecommand.StreamOptions{TerminalSizeQueue: sizes}, true,
		"sh", "-c", "test -t 1 && for i in $(seq 100); do stty size | grep '45 123' && break; sleep 0.05; done")
	require.NoError(t, err)
	require.Contains(t, out, "45 123")
}

func (e entrance) absent(t *testing.T) {
	_, _, err := e.run(t.Context(), remotecommand.StreamOptions{}, false, "no-such-command")
	var exit utilexec.CodeExitError
	require.ErrorAs(t, err, &exit)
	require.Contains(t, []int{126, 127}, exit.Code)
}

func (e entrance) attach(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- e.stream(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out}, "attach",
			&corev1.PodAttachOptions{Container: "box", Stdin: true, Stdout: true})
	}()
	_, err := fmt.Fprintln(typed, e.way.name)
	require.NoError(t, err)
	seen := make([]byte, len("got "+e.way.name))
	_, err = io.ReadFull(shown, seen)
	require.NoError(t, err)
	require.Equal(t, "got "+e.way.name, string(seen))
	cancel()
	require.NoError(t, shown.Close())
	require.NoError(t, in.Close())
	<-ended
}

func (e entrance) away(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	begun, out := io.Pipe()
	go func() {
		_, _, err := e.run(ctx, remotecommand.StreamOptions{Stdout: out}, false, "sh", "-c", "echo begun; sleep 1000")
		ended <- err
	}()
	_, err := io.ReadFull(begun, make([]byte, len("begun")))
	require.NoError(t, err)
	cancel()
	require.Error(t, <-ended)
	require.NoError(t, begun.Close())
}

// forward connects to a server that listens on the pod's localhost alone.
func forward(t *testing.T, config *rest.Config, client kubernetes.Interface, tunnel bool) {
	at := client.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name("box").
		SubResource("portforward").URL()
	roundTripper, upgrader, err := spdy.RoundTripperFor(config)
	require.NoError(t, err)
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, http.MethodPost, at)
	if tunnel {
		dialer, err = portforward.NewSPDYOverWebsocketDialer(at, config)
		require.NoError(t, err)
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080"}, stop, ready, io.Discard,
		io.Discard)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("forwarding ended: %v", err)
	case <-time.After(accessPatience):
		t.Fatal("forwarding did not begin")
	}
	ports, err := forwarder.GetPorts()
	require.NoError(t, err)
	for range 3 {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/passwd", ports[0].Local))
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Contains(t, string(body), "root:")
	}
	close(stop)
	if err := <-ended; err != nil && !errors.Is(err, portforward.ErrLostConnectionToPod) {
		require.NoError(t, err)
	}
}

// startPod makes a pod and returns when it runs.
func startPod(t *testing.T, client kubernetes.Interface, pod *corev1.Pod) {
	_, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		seen, err := client.CoreV1().Pods("default").Get(t.Context(), pod.Name, metav1.GetOptions{})
		return err == nil && seen.Status.Phase == corev1.PodRunning
	}, accessPatience, 20*time.Millisecond, "pod %s does not run", pod.Name)
}
