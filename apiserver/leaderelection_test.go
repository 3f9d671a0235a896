package apiserver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// One of two candidates leads. When it gives the lead back the other one has it at once; when it is cut off, after the
// Lease has run out.
func TestLeaderElection(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	leading := make(chan string, 10)
	ended := map[string]chan struct{}{}
	run := func(name string, release bool) context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, "shop", "lead", ts.client.CoreV1(),
			ts.client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
		require.NoError(t, err)
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: release, LeaseDuration: 2 * time.Second, RenewDeadline: time.Second,
			RetryPeriod: 20 * time.Millisecond, Name: name,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leading <- name },
				OnStoppedLeading: func() {},
			},
		})
		require.NoError(t, err)
		done := make(chan struct{})
		ended[name] = done
		go func() {
			defer close(done)
			elector.Run(ctx)
		}()
		t.Cleanup(func() {
			cancel()
			<-done
		})
		return cancel
	}
	leads := func(name string) {
		t.Helper()
		select {
		case is := <-leading:
			require.Equal(t, name, is)
		case <-time.After(watchPatience):
			t.Fatalf("%s does not lead", name)
		}
		lease, err := ts.client.CoordinationV1().Leases("shop").Get(t.Context(), "lead", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, name, *lease.Spec.HolderIdentity)
	}
	stopFirst := run("first", true)
	leads("first")
	stopSecond := run("second", false)
	require.Empty(t, leading, "one leads already")
	stopFirst()
	<-ended["first"]
	leads("second")
	stopSecond()
	<-ended["second"]
	run("third", true)
	leads("third")
	lease, err := ts.client.CoordinationV1().Leases("shop").Get(t.Context(), "lead", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, *lease.Spec.LeaseTransitions)
}
