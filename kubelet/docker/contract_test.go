package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtimetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	tool := dockertest.Tool(t)
	runtimetest.Run(t, func(t *testing.T) runtimetest.Subject {
		return runtimetest.Subject{Runtime: newCluster(t).node("node-1", 1), Prepare: func(pod *corev1.Pod) {
			for i := range pod.Spec.Containers {
				c := &pod.Spec.Containers[i]
				c.Image = tool
				switch strings.TrimSuffix(c.Name, "-too") {
				case runtimetest.Runs:
					c.Args = []string{"say", "running", "wait"}
				case runtimetest.Fails:
					c.Args = []string{"exit", "3"}
				case runtimetest.Stubborn:
					c.Args = []string{"stubborn", "say", "no", "sleep", "1h"}
				}
			}
		}}
	})
}

// testCluster is a network on the engine, and everything that a test starts on it.
type testCluster struct {
	id     string
	engine *Engine
	pods   netip.Prefix
}

// ranges numbers the clusters of this process, so that their addresses differ.
var ranges atomic.Int32

func newCluster(t testing.TB) testCluster {
	dockertest.Engine(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	engine, err := Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	var random [6]byte
	_, _ = rand.Read(random[:])
	c := testCluster{id: "test-" + hex.EncodeToString(random[:]), engine: engine}
	t.Cleanup(func() { require.NoError(t, engine.RemoveCluster(context.WithoutCancel(t.Context()), c.id)) })
	for try := 0; ; try++ {
		n := int32(os.Getpid()) + ranges.Add(1)
		c.pods = netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/20", 16+n%16, n/16%16*16))
		_, err := engine.EnsureNetwork(ctx, NetworkOptions{Cluster: c.id, Pods: c.pods, Gateway: c.pods.Addr().Next()})
		if err == nil {
			return c
		}
		require.Less(t, try, 20, "no free range: %v", err)
	}
}

// node is a runtime of the cluster, which its user runs.
func (c testCluster) node(name string, i byte) *Runtime {
	four := c.pods.Addr().As4()
	four[2] += i
	prefix := netip.PrefixFrom(netip.AddrFrom4(four), 24)
	return NewRuntime(c.engine, Options{Cluster: c.id, Node: name, PodCIDR: prefix, NodeIP: prefix.Addr().Next()})
}
