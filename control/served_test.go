package control_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/control"
)

// Where the API server does not serve Controls the gates open, once that is known and not before, and it is said once.
func TestGatesWhereControlsAreNotServed(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/apis/minik.dev/v1": // a list of what is not served is forbidden to those who have few rights
			w.WriteHeader(http.StatusForbidden)
		case asked.Add(1) == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	var said bytes.Buffer
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	gates, err := control.NewGates(&rest.Config{Host: server.URL}, clock, slog.New(slog.NewTextHandler(&said, nil)))
	require.NoError(t, err)
	gate := gates.Of("controller/test")
	ran := make(chan error, 1)
	go func() { ran <- gates.Run(t.Context()) }()

	require.Eventually(t, clock.HasWaiters, patience, time.Millisecond, "a server that does not answer is asked again")
	require.True(t, gate.Held(), "whether there is a Control is not known yet")
	clock.Step(time.Minute)
	require.NoError(t, <-ran)
	require.False(t, gate.Held())
	pass, ok := gate.Enter(t.Context(), func() string { return "this" })
	require.True(t, ok)
	pass.Done(func() string { return "done" })
	require.Equal(t, 1, strings.Count(said.String(), "\n"), said.String())
	require.Contains(t, said.String(), "does not serve Controls")
}

// Gates that are ended before the server has answered end, and stay closed.
func TestGatesEndBeforeTheServerAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	gates, err := control.NewGates(&rest.Config{Host: server.URL}, clock, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	gate := gates.Of("scheduler")
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- gates.Run(ctx) }()
	require.Eventually(t, clock.HasWaiters, patience, time.Millisecond)
	cancel()
	require.NoError(t, <-ran)
	require.True(t, gate.Held())
}
