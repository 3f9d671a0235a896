package controllertest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/controllers/loop"
)

// Noon is when tests take place.
var Noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// Start runs the controllers of the rows on a fake clientset until the test ends. The fake gives out names, UIDs and
// revisions as the API server does.
func Start(t *testing.T, rows []loop.Row, objects ...runtime.Object) (*fake.Clientset, *clocktesting.FakeClock) {
	t.Helper()
	client, clock := fake.NewSimpleClientset(objects...), clocktesting.NewFakeClock(Noon)
	StartOn(t, client, loop.Options{Clock: clock}, rows)
	return client, clock
}

// StartOn is Start on a clientset that was prepared, and with options.
func StartOn(t *testing.T, client *fake.Clientset, options loop.Options, rows []loop.Row) {
	t.Helper()
	stamp(client)
	options.Logger = slog.New(slog.DiscardHandler)
	manager, err := loop.NewWith(&rest.Config{}, client, nil, options, rows,
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

// Eventually waits until the condition holds.
func Eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 2*time.Millisecond, what)
}
