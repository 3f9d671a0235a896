package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

// askedAbout are the controllers that have something to say about a resource. Those that need more than the API to know
// what they want (the cluster's authority, its pool of addresses) are not asked.
var askedAbout = map[schema.GroupResource][]string{
	{Group: "apps", Resource: "deployments"}:            {"deployment-controller"},
	{Group: "apps", Resource: "replicasets"}:            {"replicaset-controller"},
	{Resource: "replicationcontrollers"}:                {"replication-controller"},
	{Resource: "nodes"}:                                 {"node-lifecycle-controller", "pod-garbage-collector-controller"},
	{Resource: "namespaces"}:                            {"namespace-controller", "service-account-controller"},
	{Resource: "services"}:                              {"endpoint-controller", "endpoint-slice-controller"},
	{Resource: "endpoints"}:                             {"endpoint-slice-mirroring-controller"},
	{Group: "policy", Resource: "poddisruptionbudgets"}: {"disruption-controller"},
}

// AskedAbout are the resources that Why can answer for, by name.
func AskedAbout() []string {
	var names []string
	for resource := range askedAbout {
		names = append(names, resource.Resource)
	}
	slices.Sort(names)
	return names
}

// Why asks the controllers of a resource what they would do about one object as things are, or were at an earlier
// revision. It runs their own reconcile, with all that leads to a plan and follows from it, against the API server's
// answers of that moment, and keeps what they write from getting there.
func Why(ctx context.Context, config *rest.Config, resource schema.GroupResource, namespace, name string,
	at Moment) ([]Opinion, error) {
	names := askedAbout[resource]
	if len(names) == 0 {
		return nil, fmt.Errorf("no controller can be asked about %s; about these they can: %s", resource,
			strings.Join(AskedAbout(), ", "))
	}
	var opinions []Opinion
	for _, r := range rows {
		if !slices.Contains(names, r.name) {
			continue
		}
		opinion, err := r.opinion(ctx, config, cache.NewObjectName(namespace, name).String(), at)
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", r.name, err)
		}
		opinions = append(opinions, opinion)
	}
	return opinions, nil
}

// opinion rehearses one reconcile of one controller.
func (r row) opinion(ctx context.Context, config *rest.Config, key string, at Moment) (Opinion, error) {
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
	hands := &handSet{now: at.Time}
	if r.name == "node-lifecycle-controller" {
		// It counts a node's silence from when it saw the last sign of life: so it sees that at the time it was given.
		hands.set(lastSign(ctx, watcher, key, at.Time))
	}
	m, err := newManager(config, watcher, nil, Options{Logger: slog.New(slog.DiscardHandler), Clock: hands}, []row{r},
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
	hands.set(at.Time)
	err = l.reconcile(ctx, key)
	opinion := Opinion{Controller: r.name, Intents: stage.intents()}
	var a again
	switch {
	case errors.As(err, &a):
		opinion.Again = metav1.Duration{Duration: a.after}
	case err != nil:
		opinion.Failure = err.Error()
	}
	return opinion, nil
}

// lastSign is when the node's Lease was renewed last; otherwise is the answer where there is none.
func lastSign(ctx context.Context, client kubernetes.Interface, node string, otherwise time.Time) time.Time {
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil || apierrors.IsNotFound(err) {
		return otherwise
	}
	return lease.Spec.RenewTime.Time
}

// handSet is a clock that shows what it is set to. What waits for it waits in real time, and that is nobody here.
type handSet struct {
	clock.RealClock
	mu  sync.Mutex
	now time.Time
}

func (c *handSet) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Now is what the clock is set to.
func (c *handSet) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since is the time from t to what the clock is set to.
func (c *handSet) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
