package controllers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/journal"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when tests take place.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// startFake runs the controllers of the rows on a fake clientset until the test ends. The fake gives out names, UIDs and
// revisions as the API server does.
func startFake(t *testing.T, rows []row, objects ...runtime.Object) (*fake.Clientset, *clocktesting.FakeClock) {
	t.Helper()
	client, clock := fake.NewSimpleClientset(objects...), clocktesting.NewFakeClock(noon)
	startOn(t, client, Options{Clock: clock}, rows)
	return client, clock
}

// startOn is startFake on a clientset that was prepared, and with options.
func startOn(t *testing.T, client *fake.Clientset, options Options, rows []row) {
	t.Helper()
	stamp(client)
	options.Logger = slog.New(slog.DiscardHandler)
	manager, err := newManager(&rest.Config{}, client, nil, options, rows,
		func(*rest.Config) (kubernetes.Interface, error) { return client, nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- manager.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// stamp makes the fake answer writes as the API server does: with a name, a UID and a revision. Reactors that were there
// before come first.
func stamp(client *fake.Clientset) {
	var revision atomic.Int64
	revision.Store(1000)
	client.ReactionChain = slices.Insert(client.ReactionChain, len(client.ReactionChain)-1, clienttesting.Reactor(
		&clienttesting.SimpleReactor{Verb: "*", Resource: "*", Reaction: func(action clienttesting.Action) (bool, runtime.Object, error) {
			var obj runtime.Object
			switch a := action.(type) {
			case clienttesting.CreateActionImpl:
				obj = a.GetObject().DeepCopyObject()
			case clienttesting.UpdateActionImpl:
				obj = a.GetObject().DeepCopyObject()
			default:
				return false, nil, nil
			}
			m, err := meta.Accessor(obj)
			if err != nil {
				return true, nil, err
			}
			n := strconv.FormatInt(revision.Add(1), 10)
			if action.GetVerb() == "update" {
				stored, err := client.Tracker().Get(action.GetResource(), action.GetNamespace(), m.GetName())
				if err != nil {
					return true, nil, err
				}
				if s, _ := meta.Accessor(stored); s.GetResourceVersion() != m.GetResourceVersion() {
					return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), m.GetName(), errors.New("too old"))
				}
				m.SetResourceVersion(n)
				return true, obj, client.Tracker().Update(action.GetResource(), obj, action.GetNamespace())
			}
			m.SetResourceVersion(n)
			m.SetUID(types.UID("uid-" + n))
			if m.GetName() == "" {
				m.SetName(m.GetGenerateName() + n)
			}
			return true, obj, client.Tracker().Create(action.GetResource(), obj, action.GetNamespace())
		}}))
}

// eventually waits until the condition holds.
func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 2*time.Millisecond, what)
}

// recorded runs a controller that does what reconcile says and notes each call.
type recorded struct {
	mu   sync.Mutex
	keys []string
}

func (r *recorded) row(reconcile func(n int, key string) error) row {
	return row{name: "test-controller", workers: 2, new: func(e env) (controller, error) {
		nodes := e.informers.Core().V1().Nodes().Informer()
		return controller{
			watches: []watch{on(nodes, self[*corev1.Node])},
			reconcile: func(ctx context.Context, key string) error {
				r.mu.Lock()
				r.keys = append(r.keys, key)
				n := len(r.keys)
				r.mu.Unlock()
				return reconcile(n, key)
			},
		}, nil
	}}
}

func (r *recorded) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys)
}

func node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "7"}}
}

func TestLoopWakesKeysOfWhatIsThereAndWhatComes(t *testing.T) {
	var r recorded
	client, _ := startFake(t, []row{r.row(func(int, string) error { return nil })}, node("a"))
	eventually(t, func() bool { return r.count() == 1 }, "the object that is there wakes its key")
	_, err := client.CoreV1().Nodes().Create(t.Context(), node("b"), metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return r.count() == 2 }, "the object that comes wakes its key")
	require.NoError(t, client.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}))
	eventually(t, func() bool { return r.count() == 3 }, "the object that goes wakes its key")
	require.Equal(t, []string{"a", "b", "a"}, r.keys)
}

func TestLoopRetriesFailures(t *testing.T) {
	var r recorded
	conflict := apierrors.NewConflict(corev1.Resource("nodes"), "a", errors.New("too old"))
	_, clock := startFake(t, []row{r.row(func(n int, _ string) error {
		return []error{errors.New("broken"), conflict, nil}[n-1]
	})}, node("a"))
	for n := 1; n < 3; n++ {
		eventually(t, func() bool { return r.count() == n && clock.HasWaiters() }, "an attempt fails")
		// The first wait is 5 ms and each is twice the one before.
		eventually(t, func() bool { clock.Step(5 * time.Millisecond); return r.count() == n+1 }, "it is tried again")
	}
}

func TestLoopLooksAgainAtTheTimeAsked(t *testing.T) {
	var r recorded
	_, clock := startFake(t, []row{r.row(func(n int, _ string) error {
		if n == 1 {
			return requeueAfter(time.Minute)
		}
		return nil
	})}, node("a"))
	eventually(t, func() bool { return r.count() == 1 }, "the first time")
	eventually(t, func() bool { clock.Step(10 * time.Second); return r.count() == 2 }, "the second time")
	require.GreaterOrEqual(t, clock.Now().Sub(noon), time.Minute)
	require.NoError(t, requeueAfter(0))
}

func TestLoopKeepsTheCauseOfAFailedAttempt(t *testing.T) {
	l := &loop{controller: controller{}, logger: slog.New(slog.DiscardHandler),
		clock: clocktesting.NewFakeClock(time.Unix(0, 0))}
	require.NoError(t, l.prepare())
	defer l.queue.ShutDown()
	w := on(nil, self[*corev1.Node])
	fail := true
	var seen []string
	l.reconcile = func(ctx context.Context, _ string) error {
		seen = append(seen, causeOf(t, ctx))
		if fail {
			return errBehind
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
		err := slowStart(t.Context(), 20, func(i int) error {
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
