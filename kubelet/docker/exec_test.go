package docker

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// shell is a running container with a shell, and the node that runs it.
func shell(t *testing.T, change func(*corev1.Pod)) (*testNode, string) {
	image := dockertest.Busybox(t)
	node := run(t, newCluster(t).node("node-1", 1))
	pod := podNamed("web", image)
	pod.Spec.Containers[0].Command = []string{"sh", "-c", "echo here; while read line; do echo got $line; done; sleep 1000"}
	if change != nil {
		change(pod)
	}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	id := node.start(pod, 0)
	node.awaitLog(id, "here")
	return node, id
}

// screen is what a client sees, and can be waited for.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(s.String(), text) })
}

func TestExec(t *testing.T) {
	node, id := shell(t, nil)
	for name, c := range map[string]struct {
		script, in  string
		out, errors string
		code        int32
	}{
		"both outputs and a code":    {script: "echo out; echo err >&2; exit 3", out: "out\n", errors: "err\n", code: 3},
		"input that ends":            {script: "cat; echo done", in: "some text\n", out: "some text\ndone\n"},
		"a signal":                   {script: "kill -9 $$", code: 137},
		"outputs that are closed":    {script: "exec >&- 2>&-; sleep 3; exit 4", code: 4},
		"what looks like a failure":  {script: "echo OCI runtime exec failed: no; exit 5", out: "OCI runtime exec failed: no\n", code: 5},
		"a shell that finds nothing": {script: "nothing", errors: "sh: nothing: not found\n", code: 127},
	} {
		var out, errs bytes.Buffer
		streams := runtime.Streams{Stdout: &out, Stderr: &errs}
		if c.in != "" {
			streams.Stdin = strings.NewReader(c.in)
		}
		code, err := node.Exec(t.Context(), id, []string{"sh", "-c", c.script}, streams)
		require.NoError(t, err, name)
		require.Equal(t, c.code, code, name)
		require.Equal(t, c.out, out.String(), name)
		require.Equal(t, c.errors, strings.ReplaceAll(errs.String(), "sh: line 0:", "sh:"), name)
	}
}

// A command that cannot be started says so; a container that is not there, or does not run, is an error.
func TestExecOfNothing(t *testing.T) {
	node, id := shell(t, nil)
	for _, tty := range []bool{false, true} {
		var out bytes.Buffer
		code, err := node.Exec(t.Context(), id, []string{"no-such-program"}, runtime.Streams{Stdout: &out, TTY: tty})
		require.NoError(t, err)
		require.Contains(t, []int32{126, 127}, code)
		require.Contains(t, out.String(), `exec: "no-such-program": executable file not found in $PATH`)
	}
	_, err := node.Exec(t.Context(), "docker://none", []string{"true"}, runtime.Streams{})
	require.ErrorIs(t, err, runtime.ErrNotFound)
	require.NoError(t, node.Stop(t.Context(), id, 0))
	_, err = node.Exec(t.Context(), id, []string{"true"}, runtime.Streams{})
	require.ErrorIs(t, err, runtime.ErrNotFound)
	require.ErrorIs(t, node.Attach(t.Context(), id, runtime.Streams{}), runtime.ErrNotFound)
}

// A terminal has a size that follows the client's, and no key of it means anything to the engine: by default it would
// swallow Ctrl-P, and leave at Ctrl-P Ctrl-Q.
func TestExecWithATerminal(t *testing.T) {
	node, id := shell(t, nil)
	in, keys := io.Pipe()
	var out screen
	sizes := make(chan runtime.TerminalSize)
	ended := make(chan int32, 1)
	go func() {
		code, err := node.Exec(t.Context(), id, []string{"sh"},
			runtime.Streams{Stdin: in, Stdout: &out, TTY: true, Resize: sizes})
		if err != nil {
			t.Error(err)
		}
		ended <- code
	}()
	typed := func(text string) {
		_, err := io.WriteString(keys, text)
		require.NoError(t, err)
	}
	out.await(t, "# ")
	sizes <- runtime.TerminalSize{Width: 123, Height: 45}
	eventually(t, func() bool {
		typed("stty size\n")
		return strings.Contains(out.String(), "45 123")
	})
	typed("stty raw -echo; echo list''ening; dd bs=1 count=2 2>/dev/null | od -t x1; stty sane\n")
	out.await(t, "listening") // until then keys are the shell's
	typed("\x10\x11")
	out.await(t, "10 11")
	typed("exit 6\n")
	require.EqualValues(t, 6, <-ended)
	require.NoError(t, keys.Close())
}

// A client that leaves takes nothing with it but its streams.
func TestExecEndsWithItsContext(t *testing.T) {
	node, id := shell(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var out screen
	ended := make(chan error, 1)
	go func() {
		_, err := node.Exec(ctx, id, []string{"sh", "-c", "echo begun; sleep 1000"}, runtime.Streams{Stdout: &out})
		ended <- err
	}()
	out.await(t, "begun")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestAttach(t *testing.T) {
	node, id := shell(t, func(pod *corev1.Pod) { pod.Spec.Containers[0].Stdin = true })
	attach := func(ctx context.Context) (keys io.Closer, ended chan error) {
		in, out := io.Pipe()
		var shown screen
		ended = make(chan error, 1)
		go func() { ended <- node.Attach(ctx, id, runtime.Streams{Stdin: in, Stdout: &shown, Stderr: &shown}) }()
		eventually(t, func() bool {
			_, err := io.WriteString(out, "word\n")
			require.NoError(t, err)
			return strings.Contains(shown.String(), "got word")
		})
		return out, ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	keys, ended := attach(ctx)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, keys.Close())

	keys, ended = attach(t.Context())
	require.NoError(t, node.Stop(t.Context(), id, 0))
	require.NoError(t, <-ended, "it ends with the process")
	require.NoError(t, keys.Close())
	require.ErrorIs(t, node.Attach(t.Context(), id, runtime.Streams{}), runtime.ErrNotFound)
}
