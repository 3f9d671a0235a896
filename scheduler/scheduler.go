package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"golang.org/x/sync/errgroup"

	"minik.dev/journal"
)

// Component is the scheduler's name in requests and Events.
const Component = "default-scheduler"

// writersAtMost bounds the bindings and reports under way at one time. Beyond that, deciding waits for them.
const writersAtMost = 128

// flushEvery is how often the queue is searched for pods that have been parked for too long.
const flushEvery = 30 * time.Second

// Options are what a scheduler takes from its surroundings.
type Options struct {
	// Logger gets one line for each pod bound, and for each write that failed; nil is slog.Default.
	Logger *slog.Logger
	// Clock is the time; nil is the real one.
	Clock clock.WithTicker
	// Configuration says how to schedule whose pods; nil is DefaultConfiguration.
	Configuration *Configuration
}

// Scheduler binds pods to nodes.
type Scheduler struct {
	client        kubernetes.Interface
	logger        *slog.Logger
	clock         clock.WithTicker
	configuration *Configuration
	pods          corelisters.PodLister
	// instance tells the decisions of this run from those of another.
	instance string
	causes   journal.Causes[types.UID]
	wakeUp   chan struct{} // holds one signal that the queue may have a pod ready
	writers  errgroup.Group

	// mu guards what follows. It is held for a decision, never for a request.
	mu       sync.Mutex
	snapshot *Snapshot
	queue    *queue
	assumed  map[types.UID]assumption
	sequence uint64 // of the last decision that assumed a pod
}

// assumption is a pod that counts as placed although no event has shown it on its node yet.
type assumption struct {
	sequence uint64
	pod      *corev1.Pod // with the node's name
}

// New makes a scheduler that speaks to the API server that config names. It starts nothing.
func New(config *rest.Config, options Options) (*Scheduler, error) {
	client, err := kubernetes.NewForConfig(journal.Config(config, Component))
	if err != nil {
		return nil, fmt.Errorf("making the scheduler's client: %w", err)
	}
	return newScheduler(client, options), nil
}

func newScheduler(client kubernetes.Interface, options Options) *Scheduler {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Configuration == nil {
		options.Configuration = DefaultConfiguration()
	}
	s := &Scheduler{
		client:        client,
		logger:        options.Logger.With("component", Component),
		clock:         options.Clock,
		configuration: options.Configuration,
		instance:      strconv.FormatInt(options.Clock.Now().UnixMilli(), 36),
		wakeUp:        make(chan struct{}, 1),
		snapshot:      NewSnapshot(),
		queue:         newQueue(options.Configuration.InitialBackoff, options.Configuration.MaxBackoff),
		assumed:       map[types.UID]assumption{},
	}
	s.writers.SetLimit(writersAtMost)
	return s
}

// Run schedules until ctx ends, and returns when every goroutine it started has.
func (s *Scheduler) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0, informers.WithTransform(slim))
	nodes, err := factory.Core().V1().Nodes().Informer().AddEventHandler(s.nodeEvents())
	if err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	s.pods = factory.Core().V1().Pods().Lister()
	pods, err := factory.Core().V1().Pods().Informer().AddEventHandler(s.podEvents(ctx))
	if err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	factory.StartWithContext(ctx)
	defer func() {
		factory.Shutdown()
		_ = s.writers.Wait() // writers report their errors themselves
	}()
	if !cache.WaitFor(ctx, "", nodes.HasSyncedChecker(), pods.HasSyncedChecker()) {
		return nil
	}
	s.loop(ctx)
	return nil
}

// loop decides as long as a pod is ready, and then waits for one.
func (s *Scheduler) loop(ctx context.Context) {
	ticker := s.clock.NewTicker(flushEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if s.scheduleNext(ctx) {
			continue
		}
		timer, stop := s.timer()
		select {
		case <-ctx.Done():
		case <-s.wakeUp:
		case <-timer:
		case <-ticker.C():
			s.mu.Lock()
			s.queue.flush(s.clock.Now())
			s.mu.Unlock()
		}
		stop()
	}
}

// timer fires when the next pod has rested enough; it never does where none rests.
func (s *Scheduler) timer() (<-chan time.Time, func()) {
	s.mu.Lock()
	next, ok := s.queue.next()
	s.mu.Unlock()
	if !ok {
		return nil, func() {}
	}
	timer := s.clock.NewTimer(next.Sub(s.clock.Now()))
	return timer.C(), func() { timer.Stop() }
}

// scheduleNext decides about the next pod and hands the outcome to a writer. It reports whether there was one.
func (s *Scheduler) scheduleNext(ctx context.Context) bool {
	s.mu.Lock()
	item := s.queue.pop(s.clock.Now())
	if item == nil {
		s.mu.Unlock()
		return false
	}
	cause := s.causes.Take(item.pod.UID)
	ctx = journal.WithCause(ctx, cause)
	decision := Schedule(item.profile, s.snapshot, item.pod)
	ctx = journal.WithReason(ctx, decision.Reason())
	if decision.Node == "" {
		shape := s.snapshot.tables.shapeOf(item.profile, item.pod)
		s.queue.park(item, decision.Plugins(), shape, s.clock.Now())
		s.causes.Return(item.pod.UID, cause)
		report := s.reportUnschedulable(item, decision.Message)
		s.mu.Unlock()
		if report != nil {
			s.write(func() { report(ctx) })
		}
		return true
	}
	annotation := s.record(decision)
	s.assume(item.pod, decision.Node)
	s.mu.Unlock()
	s.write(func() { s.bind(ctx, item, decision, annotation, cause) })
	return true
}

// write runs f beside the loop.
func (s *Scheduler) write(f func()) {
	s.writers.Go(func() error {
		f()
		return nil
	})
}

// assume counts the pod as placed from now on, so that the next decision need not wait for the binding.
func (s *Scheduler) assume(pod *corev1.Pod, node string) {
	placed := *pod
	placed.Spec.NodeName = node
	s.sequence++
	s.assumed[pod.UID] = assumption{sequence: s.sequence, pod: &placed}
	s.wake(s.snapshot.AddPod(&placed), node, pod.ResourceVersion)
}

// bindFailed takes back the assumption and lets the pod rest, unless it is gone or placed by now.
func (s *Scheduler) bindFailed(item *queuedPod, cause journal.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid := item.pod.UID
	a, ok := s.assumed[uid]
	if !ok {
		return
	}
	delete(s.assumed, uid)
	s.wake(s.snapshot.RemovePod(a.pod), a.pod.Spec.NodeName, item.pod.ResourceVersion)
	latest, err := s.pods.Pods(item.pod.Namespace).Get(item.pod.Name)
	if err != nil || latest.UID != uid || latest.Spec.NodeName != "" || latest.DeletionTimestamp != nil {
		return
	}
	item.pod = latest
	s.causes.Return(uid, cause)
	s.queue.retry(item, s.clock.Now())
	s.signal()
}

// wake moves on the pods that the change to the node may help, and notes what caused it.
func (s *Scheduler) wake(happened Change, node, resourceVersion string) {
	woken := s.queue.wake(happened, s.snapshot.existing(node), s.clock.Now())
	for _, uid := range woken {
		s.causes.Add(uid, resourceVersion)
	}
	if len(woken) > 0 {
		s.signal()
	}
}

// signal lets the loop look at the queue.
func (s *Scheduler) signal() {
	select {
	case s.wakeUp <- struct{}{}:
	default: // there is a signal already
	}
}
