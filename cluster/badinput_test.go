package cluster

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"minik.dev/cluster/network"
)

// Each mistake is one line that says what to do, and breaks nothing: the cluster runs once it is mended.
func TestBadInput(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	good := func() Options {
		return Options{DataDir: dir, Listen: "127.0.0.1:0", Runtime: "sim", Nodes: 1, Loopback: true,
			Logger: slog.New(slog.DiscardHandler)}
	}
	require.NoError(t, upAndDown(t, good()))

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	other, err := network.Claim(t.Context(), network.Options{Loopback: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for name, c := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"port taken": {func(o *Options) { o.Listen = taken.Addr().String() },
			"the port is taken, perhaps by another cluster; choose another one, or any free one with port 0"},
		"no port":          {func(o *Options) { o.Listen = "nonsense" }, "--listen nonsense"},
		"unknown runtime":  {func(o *Options) { o.Runtime = "podman" }, `unknown runtime "podman": it is auto, docker or sim`},
		"no nodes":         {func(o *Options) { o.Nodes = 0 }, "a cluster has 1 to 250 nodes, not 0"},
		"too many nodes":   {func(o *Options) { o.Nodes = 251 }, "a cluster has 1 to 250 nodes, not 251"},
		"no data dir":      {func(o *Options) { o.DataDir = "" }, "a cluster needs a data directory"},
		"data dir is none": {func(o *Options) { o.DataDir = file }, "choose another with --data-dir"},
		"range no network": {func(o *Options) { o.ServiceCIDR = "10.96.0.1" }, "name others with --service-cidr and --pod-cidr"},
		"etcd is silent":   {func(o *Options) { o.EtcdServers = []string{"http://127.0.0.1:1"} }, "is --etcd-servers right?"},
		"exposed on the loopback": {func(o *Options) { o.Expose = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")} },
			"which no other machine reaches; run it as root on Linux, or leave --expose out"},
		"no such scheduler configuration": {func(o *Options) { o.SchedulerConfig = file + ".yaml" }, file + ".yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			options := good()
			c.change(&options)
			oneLine(t, upAndDown(t, options), c.says)
		})
	}
	if other.Mode == network.Loopback {
		options := good()
		options.ServiceCIDR = other.ServiceCIDR.String()
		oneLine(t, upAndDown(t, options), "overlaps "+other.ServiceCIDR.String()+", which another minik")
	}

	stop := runCluster(t, good())
	oneLine(t, upAndDown(t, good()), "is in use by another minik (process ")
	oneLine(t, Reset(t.Context(), dir), "end it first with `minik down`")
	stop()

	for _, damaged := range []string{"network.json", "pki/ca.crt", "pki/ca.key"} {
		path := filepath.Join(dir, damaged)
		require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
		oneLine(t, upAndDown(t, good()), "is damaged: ")
		require.NoError(t, os.Remove(path))
		if strings.HasPrefix(damaged, "pki/") {
			require.NoError(t, os.RemoveAll(filepath.Dir(path))) // as the line says
		}
		require.NoError(t, upAndDown(t, good()))
	}
}

func oneLine(t *testing.T, err error, says string) {
	t.Helper()
	require.ErrorContains(t, err, says)
	require.NotContains(t, err.Error(), "\n")
}

// upAndDown starts a cluster and ends it once it is ready.
func upAndDown(t *testing.T, options Options) error {
	t.Helper()
	c, err := New(options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-c.Ready():
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.Run(ctx)
}

// runCluster starts a cluster; what it returns ends it.
func runCluster(t *testing.T, options Options) func() {
	t.Helper()
	c, err := New(options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Ready():
	case err := <-ended:
		require.FailNow(t, "the cluster ended", "%v", err)
	}
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}
