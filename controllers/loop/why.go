package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Moment is when a question is about.
type Moment struct {
	// Revision is the store's; 0 is the newest.
	Revision int64
	// Time is what the clock says to whoever decides.
	Time time.Time
}

// Opinion is what one controller would do about an object.
type Opinion struct {
	Controller string `json:"controller"`
	// Intents are the writes that it would make, in order; none where all is as it should be.
	Intents []Intent `json:"intents,omitempty"`
	// Again is when it would look again although nothing happens; zero is never.
	Again metav1.Duration `json:"again,omitzero"`
	// Failure is why it would come no further.
	Failure string `json:"failure,omitempty"`
}

// Intent is a write that is not made.
type Intent struct {
	Verb        string `json:"verb"`
	Group       string `json:"apiGroup,omitempty"`
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Reason      string `json:"reason,omitempty"`
	// Object is what would be sent; null where nothing is.
	Object map[string]any `json:"object,omitempty"`
}

// Rehearse runs one reconcile of the controller on what there is, or was at an earlier revision, and says what it would have
// written. The error is of reading the cluster; one of the reconcile is in the opinion.
func (r Row) Rehearse(ctx context.Context, config *rest.Config, key string, at Moment) (Opinion, error) {
	stage := &rehearsal{revision: at.Revision}
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{} // about what the controllers read, which is not the user's doing
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return stage.with(next) })

	watcher, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Opinion{}, fmt.Errorf("making a client: %w", err)
	}
	clock := &setClock{now: at.Time}
	if r.SeenAt != nil {
		clock.set(r.SeenAt(ctx, watcher, key, at.Time))
	}
	m, err := NewWith(config, watcher, nil, Options{Logger: slog.New(slog.DiscardHandler), Clock: clock}, []Row{r},
		func(config *rest.Config) (kubernetes.Interface, error) { return kubernetes.NewForConfig(config) })
	if err != nil {
		return Opinion{}, err
	}
	l := m.loops[0]
	if err := l.prepare(); err != nil {
		return Opinion{}, err
	}
	defer l.queue.ShutDown()
	// What the informers say at their end is no news.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, klog.Logger{}))
	m.informers.StartWithContext(ctx)
	defer m.informers.Shutdown()
	defer cancel()
	if err := m.informers.WaitForCacheSyncWithContext(ctx).Err; err != nil {
		return Opinion{}, fmt.Errorf("reading the cluster: %w", err)
	}
	if !cache.WaitFor(ctx, "", l.synced...) {
		return Opinion{}, ctx.Err()
	}
	clock.set(at.Time)
	err = l.Reconcile(ctx, key)
	opinion := Opinion{Controller: r.Name, Intents: stage.intents()}
	var a again
	switch {
	case errors.As(err, &a):
		opinion.Again = metav1.Duration{Duration: a.after}
	case err != nil:
		opinion.Failure = err.Error()
	}
	return opinion, nil
}

// setClock is a clock that shows what it is set to. Its timers run in real time; nobody waits for one here.
type setClock struct {
	clock.RealClock
	mu  sync.Mutex
	now time.Time
}

func (c *setClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Now is what the clock is set to.
func (c *setClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since is the time from t to what the clock is set to.
func (c *setClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
