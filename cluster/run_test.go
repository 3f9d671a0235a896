package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
)

// run starts a cluster in this process, changed before that, and ends it with the test.
func run(t *testing.T, o Options, change ...func(*Cluster)) (*Cluster, kubernetes.Interface) {
	o.Ephemeral, o.Listen, o.Runtime = true, cmp.Or(o.Listen, "127.0.0.1:0"), cmp.Or(o.Runtime, runtimeSim)
	o.Logger = slog.New(slog.DiscardHandler)
	c, err := New(o)
	require.NoError(t, err)
	for _, f := range change {
		f(c)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	select {
	case <-c.Ready():
	case err := <-ended:
		ended <- err
		require.FailNow(t, "the cluster did not start", "%v", err)
	}
	client, err := kubernetes.NewForConfig(c.Config())
	require.NoError(t, err)
	return c, client
}
