package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

func TestFindHost(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{}
	find := func() (where, error) {
		return findHost(environment{get: func(key string) string { return env[key] }, home: home})
	}
	write := func(text string, path ...string) {
		file := filepath.Join(append([]string{home, ".docker"}, path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	found, err := find()
	require.NoError(t, err)
	require.Equal(t, "unix:///var/run/docker.sock", found.host, "the default")

	sum := sha256.Sum256([]byte("far"))
	id := hex.EncodeToString(sum[:])
	write(`{"currentContext":"far"}`, "config.json")
	_, err = find()
	require.ErrorContains(t, err, `context "far" cannot be read`)
	write(`{"Endpoints":{"docker":{"Host":"tcp://10.0.0.1:2376"}}}`, "contexts", "meta", id, "meta.json")
	write("", "contexts", "tls", id, "docker", "cert.pem")
	found, err = find()
	require.NoError(t, err)
	require.Equal(t, "tcp://10.0.0.1:2376", found.host)
	require.NotEmpty(t, found.tlsDir)

	env["DOCKER_CONTEXT"] = "default"
	found, err = find()
	require.NoError(t, err)
	require.Equal(t, "unix:///var/run/docker.sock", found.host, "the variable comes before the configuration")
	env["DOCKER_HOST"] = "tcp://10.0.0.2:2375"
	found, err = find()
	require.NoError(t, err)
	require.Equal(t, "tcp://10.0.0.2:2375", found.host, "and the host before the context")

	_, err = where{host: "ssh://me@there"}.clientOptions()
	require.ErrorContains(t, err, "of no kind that minik can use")
	delete(env, "DOCKER_HOST")
	delete(env, "DOCKER_CONTEXT")
	write(`{"currentContext":`, "config.json")
	_, err = find()
	require.ErrorContains(t, err, "config.json")
}

func TestEnginesThatAreRefused(t *testing.T) {
	e := &Engine{host: "unix:///x"}
	require.ErrorContains(t, e.accept("19.3", "1.40", "linux", "amd64"), "is too old: Docker 19.3 speaks API 1.40")
	require.ErrorContains(t, e.accept("28.0", "1.50", "windows", "amd64"), "runs windows containers")
	require.NoError(t, e.accept("20.10", "1.41", "linux", "amd64"))
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	_, err := Connect(t.Context())
	require.ErrorContains(t, err, "no engine answers at unix://")
}

// relay is an engine's socket that can be taken away.
type relay struct {
	path, engine string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	work     sync.WaitGroup
}

func (r *relay) up(t *testing.T) {
	l, err := net.Listen("unix", r.path)
	require.NoError(t, err)
	r.mu.Lock()
	r.listener, r.open = l, map[net.Conn]bool{}
	r.mu.Unlock()
	r.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", r.engine)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.open[in], r.open[out] = true, true
			r.mu.Unlock()
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			r.work.Go(func() { pipe(in, out) })
			r.work.Go(func() { pipe(out, in) })
		}
	})
}

func (r *relay) down() {
	r.mu.Lock()
	_ = r.listener.Close()
	for conn := range r.open {
		_ = conn.Close()
	}
	r.mu.Unlock()
	r.work.Wait()
}

// An engine that is gone makes errors, and not wrong answers; when it is back, what happened meanwhile is seen.
func TestAnEngineThatGoesAndComesBack(t *testing.T) {
	image := dockertest.Tool(t)
	cluster := newCluster(t)
	if cluster.engine.host != "unix:///var/run/docker.sock" {
		t.Skip("the engine is not at the default socket")
	}
	r := &relay{path: filepath.Join(t.TempDir(), "d.sock"), engine: "/var/run/docker.sock"}
	r.up(t)
	defer func() { r.down() }()
	t.Setenv("DOCKER_HOST", "unix://"+r.path)
	direct := cluster.engine
	var err error
	cluster.engine, err = Connect(t.Context())
	require.NoError(t, err)
	defer cluster.engine.Close()
	node := cluster.node("node-1", 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx, func(types.UID) {}) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "uid-web"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image, Args: []string{"say", "x", "wait"}}}}}
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	c := &pod.Spec.Containers[0]
	imageID, err := node.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: c, Image: c.Image, Policy: corev1.PullNever}, func() {})
	require.NoError(t, err)
	id, err := node.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: c, ImageID: imageID, Args: c.Args})
	require.NoError(t, err)

	r.down()
	require.Eventually(t, func() bool {
		_, err := node.Pods(t.Context())
		return err != nil
	}, time.Minute, 5*time.Millisecond)
	_, err = node.Version(t.Context())
	require.Error(t, err)
	require.NoError(t, direct.client.ContainerKill(t.Context(), engineID(id), "SIGKILL"))

	r.up(t)
	require.Eventually(t, func() bool {
		pods, err := node.Pods(t.Context(), pod.UID)
		return err == nil && len(pods) == 1 && pods[0].Containers[0].State == runtime.Exited &&
			pods[0].Containers[0].ExitCode == 137
	}, time.Minute, 5*time.Millisecond)
}
