package loop_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// recorded runs a controller that does what reconcile says and notes each call.
type recorded struct {
	mu   sync.Mutex
	keys []string
}

func (r *recorded) row(reconcile func(n int, key string) error) loop.Row {
	return loop.Row{Name: "test-controller", Workers: 2, New: func(e loop.Env) (loop.Controller, error) {
		nodes := e.Informers.Core().V1().Nodes().Informer()
		return loop.Controller{
			Watches: []loop.Watch{loop.On(nodes, loop.Self[*corev1.Node])},
			Reconcile: func(ctx context.Context, key string) error {
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

func TestLoopWakesKeysOfWhatIsThereAndWhatComes(t *testing.T) {
	var r recorded
	client, _ := controllertest.Start(t, []loop.Row{r.row(func(int, string) error { return nil })}, controllertest.Node("a"))
	controllertest.Eventually(t, func() bool { return r.count() == 1 }, "the object that is there wakes its key")
	_, err := client.CoreV1().Nodes().Create(t.Context(), controllertest.Node("b"), metav1.CreateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, func() bool { return r.count() == 2 }, "the object that comes wakes its key")
	require.NoError(t, client.CoreV1().Nodes().Delete(t.Context(), "a", metav1.DeleteOptions{}))
	controllertest.Eventually(t, func() bool { return r.count() == 3 }, "the object that goes wakes its key")
	require.Equal(t, []string{"a", "b", "a"}, r.keys)
}

func TestLoopRetriesFailures(t *testing.T) {
	var r recorded
	conflict := apierrors.NewConflict(corev1.Resource("nodes"), "a", errors.New("too old"))
	_, clock := controllertest.Start(t, []loop.Row{r.row(func(n int, _ string) error {
		return []error{errors.New("broken"), conflict, nil}[n-1]
	})}, controllertest.Node("a"))
	for n := 1; n < 3; n++ {
		controllertest.Eventually(t, func() bool { return r.count() == n && clock.HasWaiters() }, "an attempt fails")
		// The first wait is 5 ms and each is twice the one before.
		controllertest.Eventually(t, func() bool { clock.Step(5 * time.Millisecond); return r.count() == n+1 }, "it is tried again")
	}
}

func TestLoopLooksAgainAtTheTimeAsked(t *testing.T) {
	var r recorded
	_, clock := controllertest.Start(t, []loop.Row{r.row(func(n int, _ string) error {
		if n == 1 {
			return loop.RequeueAfter(time.Minute)
		}
		return nil
	})}, controllertest.Node("a"))
	controllertest.Eventually(t, func() bool { return r.count() == 1 }, "the first time")
	controllertest.Eventually(t, func() bool { clock.Step(10 * time.Second); return r.count() == 2 }, "the second time")
	require.GreaterOrEqual(t, clock.Now().Sub(controllertest.Noon), time.Minute)
	require.NoError(t, loop.RequeueAfter(0))
}
