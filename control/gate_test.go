package control_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
	"minik.dev/control"
)

const patience = 20 * time.Second

// component is one that decides about one thing after the other.
type component struct {
	gate *control.Gate
	stop func()
}

// start runs a gate for component controller/test.
func start(t *testing.T, config *rest.Config) component {
	t.Helper()
	gates, err := control.NewGates(config, clock.RealClock{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	gate := gates.Of("controller/test")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gates.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(stop)
	return component{gate, stop}
}

// decide is a decision that waits its turn; the channel tells when it was made.
func (c component) decide(t *testing.T, what string) <-chan string {
	made := make(chan string, 1)
	go func() {
		pass, ok := c.gate.Enter(t.Context(), func() string { return what })
		if ok {
			made <- what
			pass.Done(func() string { return what + " is decided" })
		}
	}()
	return made
}

// A held component makes no decision but those that are let through, in the order in which they came, and says so; a
// process that is started while it is held is held too.
func TestGate(t *testing.T) {
	config := clustertest.Start(t)
	config.QPS = -1
	client, err := api.NewClient(config)
	require.NoError(t, err)
	get := func() *api.Control {
		var c api.Control
		require.NoError(t, client.Get().Resource("controls").Name("controller.test").Do(t.Context()).Into(&c))
		return &c
	}
	set := func(held bool, steps int64) {
		require.Eventually(t, func() bool {
			c := get()
			c.Spec.Held, c.Spec.Steps = held, steps
			return client.Put().Resource("controls").Name(c.Name).Body(c).Do(t.Context()).Error() == nil
		}, patience, time.Millisecond)
	}
	until := func(want api.ControlStatus) {
		t.Helper()
		require.Eventually(t, func() bool { return get().Status == want }, patience, 10*time.Millisecond,
			"%+v", want)
	}

	// 1. Nobody has ever held it: a decision is made at once.
	first := start(t, config)
	require.Equal(t, "free", <-first.decide(t, "free"))

	// 2. Held: nothing passes.
	c := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: "controller.test"}, Spec: api.ControlSpec{Held: true}}
	require.NoError(t, client.Post().Resource("controls").Body(c).Do(t.Context()).Error())
	until(api.ControlStatus{Holding: true})
	a := first.decide(t, "a")
	until(api.ControlStatus{Holding: true, Waiting: 1, Next: "a"})
	b := first.decide(t, "b")
	until(api.ControlStatus{Holding: true, Waiting: 2, Next: "a"})

	// 3. One step lets the first pass, and no more.
	set(true, 1)
	require.Equal(t, "a", <-a)
	until(api.ControlStatus{Holding: true, Waiting: 1, Next: "b", Steps: 1, Decided: 1, Decision: "a is decided"})
	require.Empty(t, b)

	// 4. Another process is held from its start.
	first.stop()
	second := start(t, config)
	e := second.decide(t, "e")
	until(api.ControlStatus{Holding: true, Waiting: 1, Next: "e", Steps: 1, Decided: 1, Decision: "a is decided"})
	require.Empty(t, e)

	// 5. Two steps at once are made one after the other.
	f := second.decide(t, "f")
	set(true, 3)
	require.Equal(t, "e", <-e)
	require.Equal(t, "f", <-f)
	until(api.ControlStatus{Holding: true, Steps: 3, Decided: 3, Decision: "f is decided"})

	// 6. Let go, everything passes; a deleted control holds nobody either.
	g := second.decide(t, "g")
	set(false, 9)
	require.Equal(t, "g", <-g)
	until(api.ControlStatus{Steps: 9, Decided: 9, Decision: "f is decided"})
	set(true, 9)
	until(api.ControlStatus{Holding: true, Steps: 9, Decided: 9, Decision: "f is decided"})
	h := second.decide(t, "h")
	require.NoError(t, client.Delete().Resource("controls").Name("controller.test").Do(t.Context()).Error())
	require.Equal(t, "h", <-h)
	require.False(t, second.gate.Held())
}

// A nil gate is always open.
func TestNilGate(t *testing.T) {
	var gate *control.Gate
	pass, ok := gate.Enter(t.Context(), nil)
	require.True(t, ok)
	require.False(t, pass.Waited())
	pass.Done(nil)
	require.False(t, gate.Held())
	gate.Set(nil)
	var gates *control.Gates
	require.Nil(t, gates.Of("scheduler"))
	require.NoError(t, gates.Run(t.Context()))
}

// Who gives up waiting leaves the line. A gate that has not seen whether it is held is closed.
func TestGivingUp(t *testing.T) {
	gate := control.NewGate(nil, "scheduler", clock.RealClock{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan bool)
	go func() {
		_, ok := gate.Enter(ctx, func() string { return "a" })
		result <- ok
	}()
	require.True(t, gate.Held())
	select {
	case <-result:
		require.Fail(t, "it passed")
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	require.False(t, <-result)
	gate.Synced()
	pass, ok := gate.Enter(t.Context(), nil)
	require.True(t, ok)
	pass.Done(func() string { return "nobody asks" })
}
