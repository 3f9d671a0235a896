package apiserver

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
)

// What every cluster has is made once, is left alone by a second start, follows the server when its address changes, and
// is made again when somebody deletes it.
func TestEveryClusterHasItsSystemObjects(t *testing.T) {
	ts := start(t)
	ctx := t.Context()
	system := System{Services: netip.MustParsePrefix("10.96.0.0/16"), ServiceIP: netip.MustParseAddr("10.96.0.1"),
		Endpoint: &net.TCPAddr{IP: net.IPv4(10, 128, 0, 1), Port: 6443}}
	// Each cache may be ahead of what all of them hold, so what was written is only there for sure after Fresh.
	revision := func() int64 {
		require.NoError(t, ts.store.Fresh(ctx))
		return ts.store.Revision()
	}
	require.NoError(t, Bootstrap(ctx, ts.config, system))
	first := revision()
	require.NoError(t, Bootstrap(ctx, ts.config, system))
	require.Equal(t, first, revision(), "a second start writes nothing")

	cidr, err := ts.client.NetworkingV1().ServiceCIDRs().Get(ctx, "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"10.96.0.0/16"}, cidr.Spec.CIDRs)
	require.True(t, meta.IsStatusConditionTrue(cidr.Status.Conditions, "Ready"))

	system.Endpoint = &net.TCPAddr{IP: system.Endpoint.IP, Port: 7443}
	require.NoError(t, Bootstrap(ctx, ts.config, system))
	slice, err := ts.client.DiscoveryV1().EndpointSlices("default").Get(ctx, "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, int32(7443), *slice.Ports[0].Port)

	services := ts.client.CoreV1().Services("default")
	require.NoError(t, services.Delete(ctx, "kubernetes", metav1.DeleteOptions{}))
	clock := clocktesting.NewFakeClock(time.Now())
	keeping, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- KeepBootstrapped(keeping, ts.config, system, clock, slog.New(slog.DiscardHandler))
	}()
	require.Eventually(t, func() bool {
		clock.Step(repairEvery)
		service, err := services.Get(ctx, "kubernetes", metav1.GetOptions{})
		return err == nil && service.Spec.ClusterIP == "10.96.0.1"
	}, time.Minute, 5*time.Millisecond)
	levels, schemas := ts.client.FlowcontrolV1().PriorityLevelConfigurations(), ts.client.FlowcontrolV1().FlowSchemas()
	dangling := func(schema string) string {
		s, err := schemas.Get(ctx, schema, metav1.GetOptions{})
		if err != nil || len(s.Status.Conditions) != 1 {
			return ""
		}
		return string(s.Status.Conditions[0].Status)
	}
	require.Eventually(t, func() bool { return dangling("catch-all") == "False" }, time.Minute, 5*time.Millisecond,
		"flow control is configured without a tick")
	require.NoError(t, levels.Delete(ctx, "workload-low", metav1.DeleteOptions{}))
	mine := &flowcontrolv1.FlowSchema{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	mine.Spec.PriorityLevelConfiguration.Name = "gone"
	_, err = schemas.Create(ctx, mine, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		clock.Step(repairEvery)
		_, err := levels.Get(ctx, "workload-low", metav1.GetOptions{})
		return err == nil && dangling("mine") == "True"
	}, time.Minute, 5*time.Millisecond)
	stop()
	require.NoError(t, <-done)
}
