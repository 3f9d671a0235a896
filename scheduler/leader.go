package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"

	"minik.dev/events"
)

// LeaderElection says how several schedulers agree on the one that decides: it holds a Lease, and the others watch it.
type LeaderElection struct {
	// LeaderElect is whether there is an election; nil where the configuration leaves that open.
	LeaderElect *bool
	// Namespace and Name are the Lease's.
	Namespace, Name string
	// LeaseDuration is how long the others wait for a leader of whom they hear nothing. RenewDeadline, which is shorter, is
	// how long the leader goes on without being able to renew; RetryPeriod is between two attempts of either.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

func defaultElection() LeaderElection {
	return LeaderElection{
		Namespace: metav1.NamespaceSystem, Name: "kube-scheduler",
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
	}
}

// setElection applies the file's leaderElection. As upstream, what is empty or zero is the default.
func (c *Configuration) setElection(file *kubeschedulerv1.KubeSchedulerConfiguration) error {
	from, to := file.LeaderElection, &c.LeaderElection
	to.LeaderElect = from.LeaderElect
	for _, d := range []struct {
		from metav1.Duration
		to   *time.Duration
	}{
		{from.LeaseDuration, &to.LeaseDuration}, {from.RenewDeadline, &to.RenewDeadline}, {from.RetryPeriod, &to.RetryPeriod},
	} {
		if d.from.Duration != 0 {
			*d.to = d.from.Duration
		}
	}
	if from.ResourceNamespace != "" {
		to.Namespace = from.ResourceNamespace
	}
	if from.ResourceName != "" {
		to.Name = from.ResourceName
	}
	if to.LeaderElect != nil && !*to.LeaderElect {
		return nil // as upstream: what is not used is not checked
	}
	if lock := from.ResourceLock; lock != "" && lock != resourcelock.LeasesResourceLock {
		return fmt.Errorf("leaderElection.resourceLock: %q is not %q", lock, resourcelock.LeasesResourceLock)
	}
	switch {
	case to.LeaseDuration <= 0:
		return errors.New("leaderElection.leaseDuration must be greater than zero")
	case to.RenewDeadline <= 0:
		return errors.New("leaderElection.renewDeadline must be greater than zero")
	case to.RetryPeriod <= 0:
		return errors.New("leaderElection.retryPeriod must be greater than zero")
	case to.LeaseDuration <= to.RenewDeadline:
		return errors.New("leaderElection.leaseDuration must be greater than renewDeadline")
	case to.RenewDeadline <= time.Duration(leaderelection.JitterFactor*float64(to.RetryPeriod)):
		return fmt.Errorf("leaderElection.renewDeadline must be greater than retryPeriod times %g", leaderelection.JitterFactor)
	}
	return nil
}

// Candidate is a scheduler among several: it decides while it holds the Lease, and watches who does otherwise.
type Candidate struct {
	config   *rest.Config
	options  Options
	client   kubernetes.Interface
	events   *events.Writer
	identity string
	logger   *slog.Logger
}

// NewCandidate makes a candidate of that name, which no other one has. It starts nothing.
func NewCandidate(config *rest.Config, identity string, options Options) (*Candidate, error) {
	s, err := New(config, options) // its defaults, and whatever is wrong, are known before the first term
	if err != nil {
		return nil, err
	}
	options.Configuration, options.Clock = s.configuration, s.clock
	writer := events.New(s.client, corev1.EventSource{Component: Component}, s.clock, s.logger)
	return &Candidate{
		config: config, options: options, client: s.client, events: writer, identity: identity, logger: s.logger,
	}, nil
}

// Run stands for election until ctx ends, and schedules term by term. Whoever loses the Lease stands again: real
// schedulers exit then and are started again by their kubelet, and here there is nobody to do that. Each term begins
// with a scheduler that knows nothing, as others may have bound what it had in mind.
func (c *Candidate) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := c.term(ctx); err != nil {
			return err
		}
	}
	return nil
}

// term waits for the Lease, schedules while it is held, and returns once the last write has ended.
func (c *Candidate) term(ctx context.Context) error {
	// A clean end gives the Lease back when nothing is being written any more, and not before. So the election has a
	// context of its own, which ends after the scheduler has; or with ctx, while there is none. client-go's own log lines
	// are left out: what they say is said below.
	election, end := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), klog.Logger{}))
	defer end()
	var leads atomic.Bool
	// Where ctx ends in the moment of winning, the scheduler is started with a context that has ended: it decides nothing.
	stop := context.AfterFunc(ctx, func() {
		if !leads.Load() {
			end()
		}
	})
	defer stop()
	ended := make(chan error, 1)
	elector, err := c.elector(leaderelection.LeaderCallbacks{
		OnStartedLeading: func(leading context.Context) {
			leads.Store(true)
			defer end()
			ended <- c.schedule(ctx, leading)
		},
		OnStoppedLeading: func() {},
		OnNewLeader: func(identity string) {
			if identity != c.identity {
				c.logger.Info("another scheduler decides", "lease", c.lease(), "holder", identity)
			}
		},
	})
	if err != nil {
		return err
	}
	elector.Run(election)
	if !leads.Load() {
		return nil // whoever is started from here on finds that its term has ended
	}
	return <-ended
}

// elector keeps the Lease, or waits for it.
func (c *Candidate) elector(callbacks leaderelection.LeaderCallbacks) (*leaderelection.LeaderElector, error) {
	e := c.options.Configuration.LeaderElection
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     c.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.identity, EventRecorder: recorder{c.events}},
		},
		LeaseDuration: e.LeaseDuration, RenewDeadline: e.RenewDeadline, RetryPeriod: e.RetryPeriod,
		ReleaseOnCancel: true, Name: e.Name, Callbacks: callbacks,
	})
	if err != nil {
		return nil, fmt.Errorf("standing for election as %s: %w", c.identity, err)
	}
	return elector, nil
}

// lease is the Lease's name, for logs.
func (c *Candidate) lease() string {
	return c.options.Configuration.LeaderElection.Namespace + "/" + c.options.Configuration.LeaderElection.Name
}

// schedule decides until ctx or the term ends.
func (c *Candidate) schedule(ctx, leading context.Context) error {
	if leading.Err() != nil {
		return nil
	}
	s, err := New(c.config, c.options)
	if err != nil {
		return err
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(leading, cancel)()
	c.logger.Info("this scheduler decides from now on", "lease", c.lease(), "identity", c.identity)
	err = s.Run(both)
	if leading.Err() != nil {
		c.logger.Warn("the lease is lost: this scheduler decides no more, and stands again", "lease", c.lease())
	}
	return err
}

// recorder writes the Events of an election, in upstream's words: who became leader, who stopped.
type recorder struct{ *events.Writer }

// eventPatience bounds the write of such an Event, which the renewing of the Lease waits for.
const eventPatience = time.Second

// Eventf is resourcelock.EventRecorder's.
func (r recorder) Eventf(about runtime.Object, eventType, reason, message string, args ...any) {
	// The interface hands in no context, and "stopped leading" is told when the term's has ended.
	ctx, cancel := context.WithTimeout(context.Background(), eventPatience) //nolint:forbidigo // see above
	defer cancel()
	r.Write(ctx, about, events.Event{Type: eventType, Reason: reason, Message: fmt.Sprintf(message, args...)})
}
