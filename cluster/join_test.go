//go:build unix

package cluster

import (
	"bytes"
	"context"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestComponentsJoinAnotherAPIServer runs components at an API server that is not their data directory's and does not serve minik's
// own kinds, as kube-apiserver does not: a Deployment gets its pods, and each component says once that nobody can hold it.
func TestComponentsJoinAnotherAPIServer(t *testing.T) {
	t.Parallel()
	theirs, ours := newSite(t), newSite(t)
	serve(t, "apiserver", Options{DataDir: theirs.dir, Listen: "127.0.0.1:0", Runtime: runtimeSim, Loopback: true}, ServeOptions{})
	kubeconfig := withoutControls(t, filepath.Join(theirs.dir, "kubeconfig"))

	logs := map[string]*log{}
	for _, component := range []string{"controllers", "scheduler", "kubelet", "proxy"} {
		logs[component] = serve(t, component, Options{DataDir: ours.dir, Runtime: runtimeSim, Loopback: true, ServiceCIDR: "127.100.0.0/16"},
			ServeOptions{Kubeconfig: kubeconfig, NodeName: "node-1"})
	}
	client := theirs.client(t)
	deploy(t, client, "web", 2)
	require.Len(t, containers(t, client), 2)
	for component, log := range logs {
		require.Equal(t, 1, strings.Count(log.String(), "does not serve Controls"), "%s says:\n%s", component, log)
	}
	require.Equal(t, []string{"joined", "served"}, files(t, ours.dir), "what is kept for another API server is apart from a cluster's own data, but for who runs")
}

// What a data directory has is used for its own API server alone, by whichever path its kubeconfig was given.
func TestJoinOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	serve(t, "apiserver", Options{DataDir: s.dir, Listen: "127.0.0.1:0", Runtime: runtimeSim, Loopback: true}, ServeOptions{})
	copied := filepath.Join(t.TempDir(), "kubeconfig")
	text, err := os.ReadFile(filepath.Join(s.dir, "kubeconfig"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, text, 0o600))
	for _, kubeconfig := range []string{"", filepath.Join(s.dir, "kubeconfig"), copied} {
		c, err := New(Options{DataDir: s.dir, Nodes: 1})
		require.NoError(t, err)
		c.parts.init(t.Context(), slog.New(slog.DiscardHandler), c.options.Clock)
		c.parts.nextStage()
		_, err = c.join(t.Context(), kubeconfig, true)
		require.NoError(t, err)
		require.Nil(t, c.joined, "kubeconfig %q", kubeconfig)
		require.NoError(t, c.down())
	}

	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "pki")))
	c, err := New(Options{DataDir: s.dir, Nodes: 1})
	require.NoError(t, err)
	_, err = c.join(t.Context(), "", false)
	require.ErrorContains(t, err, "has no certificates")
}

// serve runs one component in this process until the test ends, and returns what it says, once it is started.
func serve(t *testing.T, component string, options Options, how ServeOptions) *log {
	t.Helper()
	said := &log{}
	options.Logger = slog.New(slog.NewTextHandler(said, nil))
	started := make(chan struct{})
	last := map[string]string{"apiserver": "API server"}[component]
	options.Progress = func(s Stage) {
		if s.Name == component || s.Name == last {
			close(started)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, component, options, how) }()
	select {
	case <-started:
	case err := <-ended:
		cancel()
		t.Fatalf("starting %s: %v", component, err)
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "ending %s", component)
	})
	return said
}

// withoutControls serves the API that the kubeconfig leads to without minik's own kinds, to whoever asks; it returns the kubeconfig
// that leads there.
func withoutControls(t *testing.T, theirs string) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", theirs)
	require.NoError(t, err)
	target, err := url.Parse(config.Host)
	require.NoError(t, err)
	transport, err := rest.TransportFor(config)
	require.NoError(t, err)
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/apis/minik.dev") {
			http.NotFound(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	theirConfig := clientcmdapi.NewConfig()
	withCluster(theirConfig, "other", server.URL, authority, nil, nil)
	text, err := clientcmd.Write(*theirConfig)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// log is what a component says, which several goroutines write.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
