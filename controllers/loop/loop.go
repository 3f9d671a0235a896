package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"minik.dev/control"
	"minik.dev/journal"
)

// A key that fails is tried again after minBackoff, then after twice that, up to maxBackoff: upstream's bounds for its
// controllers (client-go's DefaultTypedControllerRateLimiter). Upstream's second limiter, ten retries a second for a whole
// controller, is left out.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = 1000 * time.Second
)

// behindFor is how long a key waits at most for the event that shows its own writes.
const behindFor = time.Second

// loop runs one controller: events put keys into a queue, workers take them out and reconcile them.
type loop struct {
	name    string
	workers int
	Controller
	clock  clock.WithTicker
	logger *slog.Logger
	gate   *control.Gate

	queue  workqueue.TypedRateLimitingInterface[string]
	causes journal.Causes[string]
	synced []cache.DoneChecker
}

// prepare makes the queue and registers with the informers, which must not have been started yet.
func (l *loop) prepare() error {
	l.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](minBackoff, maxBackoff),
		workqueue.TypedRateLimitingQueueConfig[string]{Clock: l.clock})
	for _, w := range l.Watches {
		registration, err := w.Informer.AddEventHandler(l.handler(w))
		if err != nil {
			l.queue.ShutDown()
			return fmt.Errorf("%s: watching: %w", l.name, err)
		}
		l.synced = append(l.synced, registration.HasSyncedChecker())
	}
	return nil
}

// run works until ctx ends, and returns when every worker has. It waits until the handlers have seen the first list of
// each informer, so that no reconcile reads a cache that is still empty.
func (l *loop) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.queue.ShutDown)
	defer stop()
	if !cache.WaitFor(ctx, "", l.synced...) {
		return nil
	}
	var workers sync.WaitGroup
	start := func() {
		l.gate.Backlog(l.queue.Len)
		for range l.workers {
			workers.Go(func() {
				for l.next(ctx) {
				}
			})
		}
	}
	var err error
	if l.Source == nil {
		start()
	} else if err = l.Source(ctx, l.wake, start); err != nil {
		err = fmt.Errorf("%s: %w", l.name, err)
		l.queue.ShutDown()
	}
	workers.Wait()
	return err
}

// next works on one key. It is false once the queue is shut down.
func (l *loop) next(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return true
	}
	pass, ok := l.gate.Enter(ctx, func() string { return l.shown(key) })
	if !ok {
		return true
	}
	cause := l.causes.Take(key)
	err := l.Reconcile(journal.WithCause(ctx, cause), key)
	pass.Done(func() string { return outcome(l.shown(key), err) })

	var a again
	switch {
	case err == nil:
		l.queue.Forget(key)
	case errors.As(err, &a):
		l.queue.Forget(key)
		l.queue.AddAfter(key, a.after)
	case errors.Is(err, ErrBehind):
		l.causes.Return(key, cause)
		l.queue.AddAfter(key, behindFor)
	default:
		l.causes.Return(key, cause)
		l.queue.AddRateLimited(key)
		l.report(ctx, key, err)
	}
	return true
}

// shown is what a key is about.
func (l *loop) shown(key string) string {
	if l.Show == nil {
		return key
	}
	return l.Show(key)
}

// outcome says what came of a reconcile. What it has written is in the journal, with its reasons.
func outcome(what string, err error) string {
	var a again
	switch {
	case err == nil:
		return what + ": reconciled"
	case errors.As(err, &a):
		return fmt.Sprintf("%s: reconciled, and %v", what, a)
	case errors.Is(err, ErrBehind):
		return fmt.Sprintf("%s: left for later, %v", what, err)
	}
	return fmt.Sprintf("%s: failed and will be tried again: %v", what, err)
}

// report logs a failed attempt. A conflict is the API's way to say that the cache was a moment old: the next attempt
// settles it, and nobody needs to read of it, nor of what the end of the program interrupted.
func (l *loop) report(ctx context.Context, key string, err error) {
	switch {
	case ctx.Err() != nil:
	case apierrors.IsConflict(err):
		l.logger.Debug("retrying after a conflict", "key", key, "reason", err)
	default:
		l.logger.Error("reconcile failed and will be tried again", "key", key, "reason", err)
	}
}

func (l *loop) handler(w Watch) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { l.enqueue(w, obj, nil) },
		UpdateFunc: func(old, obj any) {
			before, _ := old.(metav1.Object)
			l.enqueue(w, obj, before)
		},
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			l.enqueue(w, obj, nil)
		},
	}
}

// enqueue wakes the keys that the event concerns.
func (l *loop) enqueue(w Watch, event any, old metav1.Object) {
	obj, ok := event.(metav1.Object)
	if !ok {
		return
	}
	for _, key := range w.keys(obj, old) {
		l.wake(key, obj.GetResourceVersion())
	}
}

// wake notes the event's revision as a cause of the key before the key can be worked on; empty is no cause.
func (l *loop) wake(key, revision string) {
	l.causes.Add(key, revision)
	l.queue.Add(key)
}
