package loop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/journal"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoopKeepsTheCauseOfAFailedAttempt(t *testing.T) {
	l := &loop{Controller: Controller{}, logger: slog.New(slog.DiscardHandler),
		clock: clocktesting.NewFakeClock(time.Unix(0, 0))}
	require.NoError(t, l.prepare())
	defer l.queue.ShutDown()
	w := On(nil, Self[*corev1.Node])
	fail := true
	var seen []string
	l.Reconcile = func(ctx context.Context, _ string) error {
		seen = append(seen, causeOf(t, ctx))
		if fail {
			return ErrBehind
		}
		return nil
	}
	l.enqueue(w, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", ResourceVersion: "7"}}, nil)
	require.True(t, l.next(t.Context()))
	fail = false
	l.enqueue(w, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", ResourceVersion: "9"}}, nil)
	require.True(t, l.next(t.Context()))
	l.queue.Add("a")
	require.True(t, l.next(t.Context()))
	require.Equal(t, []string{"7", "9,7", "timer"}, seen)
}

// causeOf is the cause as a write made with ctx carries it.
func causeOf(t *testing.T, ctx context.Context) string {
	var header string
	transport := journal.Transport(roundTripper(func(req *http.Request) (*http.Response, error) {
		header = req.Header.Get(journal.CauseHeader)
		return nil, errors.New("goes nowhere")
	}))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://localhost", nil)
	require.NoError(t, err)
	_, err = transport.RoundTrip(req)
	require.Error(t, err)
	return header
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSlowStartStopsAtTheBatchThatFails(t *testing.T) {
	for failing, calls := range map[int]int{0: 1, 1: 3, 2: 3, 3: 7, 99: 20} {
		var mu sync.Mutex
		var called []int
		err := SlowStart(t.Context(), 20, func(i int) error {
			mu.Lock()
			defer mu.Unlock()
			called = append(called, i)
			if i == failing {
				return errors.New("refused")
			}
			return nil
		})
		slices.Sort(called)
		require.Len(t, slices.Compact(called), calls, "the write that fails is %d", failing)
		require.Equal(t, failing < 20, err != nil)
	}
}
