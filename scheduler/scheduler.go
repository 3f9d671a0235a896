package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/control"
	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/scheduler/framework"
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
	gates         *control.Gates
	gate          *control.Gate
	events        map[string]*events.Writer // by profile: each tells in its own name
	pods          corelisters.PodLister
	// instance tells the decisions of this run from those of another.
	instance string
	causes   journal.Causes[types.UID]
	wakeUp   chan struct{} // holds one signal that the queue may have a pod ready
	writers  errgroup.Group

	// mu guards what follows. It is held for a decision, never for a request.
	mu       sync.Mutex
	snapshot *framework.Snapshot
	queue    *queue
	assumed  assumptions
	sequence uint64 // of the last decision that assumed a pod
	deciding bool   // extenders are asked about a pod, which is not in the queue meanwhile
	missed   []missed
}

// missed is what happened while a pod was decided about, and the version that it came with.
type missed struct {
	event           framework.Event
	resourceVersion string
}

// New makes a scheduler that speaks to the API server that config names. It starts nothing.
func New(config *rest.Config, options Options) (*Scheduler, error) {
	config = journal.Config(config, Component)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the scheduler's client: %w", err)
	}
	s := newScheduler(client, options)
	if s.gates, err = control.NewGates(config, s.clock, s.logger); err != nil {
		return nil, fmt.Errorf("making the scheduler's gate: %w", err)
	}
	s.gate = s.gates.Of(held)
	s.gate.Backlog(s.behind)
	return s, nil
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
		events:        map[string]*events.Writer{},
		wakeUp:        make(chan struct{}, 1),
		snapshot:      framework.NewSnapshot(),
		queue:         newQueue(options.Configuration.InitialBackoff, options.Configuration.MaxBackoff),
		assumed:       assumptions{pods: map[types.UID]assumption{}},
	}
	s.writers.SetLimit(writersAtMost)
	for name := range s.configuration.Profiles {
		source := corev1.EventSource{Component: name, Host: Component + "-" + s.instance}
		s.events[name] = events.New(client, source, s.clock, s.logger)
	}
	return s
}

// Run schedules until ctx ends, and returns when every goroutine it started has.
func (s *Scheduler) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0, informers.WithTransform(s.transform()))
	s.pods = factory.Core().V1().Pods().Lister()
	synced, err := s.watch(ctx, factory)
	if err != nil {
		return err
	}
	factory.StartWithContext(ctx)
	gates, stopGates := context.WithCancel(ctx)
	s.write(func() {
		if err := s.gates.Run(gates); err != nil {
			s.logger.Error("nobody can hold the scheduler", "error", err)
		}
	})
	defer func() {
		factory.Shutdown()
		stopGates()
		_ = s.writers.Wait() // writers report their errors themselves
		for _, e := range s.configuration.Extenders {
			e.client.CloseIdleConnections()
		}
	}()
	if !cache.WaitFor(ctx, "", synced...) {
		return nil
	}
	s.loop(ctx)
	return nil
}

// watch has every kind that decisions read taken into the snapshot.
func (s *Scheduler) watch(ctx context.Context, factory informers.SharedInformerFactory) ([]cache.DoneChecker, error) {
	core, storage, snapshot := factory.Core().V1(), factory.Storage().V1(), s.snapshot
	var synced []cache.DoneChecker
	for _, kind := range []struct {
		name     string
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{"nodes", core.Nodes().Informer(), s.nodeEvents()},
		{"pods", core.Pods().Informer(), s.podEvents()},
		{"namespaces", core.Namespaces().Informer(), changes(s, snapshot.SetNamespace, snapshot.RemoveNamespace)},
		{"PodDisruptionBudgets", factory.Policy().V1().PodDisruptionBudgets().Informer(),
			changes(s, snapshot.SetBudget, snapshot.RemoveBudget)},
		{"PersistentVolumeClaims", core.PersistentVolumeClaims().Informer(),
			changes(s, snapshot.SetClaim, snapshot.RemoveClaim)},
		{"PersistentVolumes", core.PersistentVolumes().Informer(), changes(s, snapshot.SetVolume, snapshot.RemoveVolume)},
		{"StorageClasses", storage.StorageClasses().Informer(), changes(s, snapshot.SetClass, snapshot.RemoveClass)},
	} {
		registered, err := kind.informer.AddEventHandler(kind.handler)
		if err != nil {
			return nil, fmt.Errorf("watching %s: %w", kind.name, err)
		}
		synced = append(synced, registered.HasSyncedChecker())
	}
	return synced, nil
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

// scheduleNext decides about the next pod and hands the outcome to a writer, as soon as nobody holds the scheduler. It
// reports whether there was one.
func (s *Scheduler) scheduleNext(ctx context.Context) bool {
	s.mu.Lock()
	idle := s.queue.idle(s.clock.Now())
	s.mu.Unlock()
	if idle {
		return false
	}
	pass, ok := s.gate.Enter(ctx, func() string {
		first, _ := s.waiting()
		return first
	})
	if !ok {
		return false
	}
	s.mu.Lock()
	item := s.queue.pop(s.clock.Now())
	if item == nil {
		s.mu.Unlock()
		pass.Done(func() string { return "no pod was left to decide about" })
		return false
	}
	cause := s.causes.Take(item.pod.UID)
	ctx = journal.WithCause(ctx, cause)
	s.missed = nil
	decision, err := s.decide(ctx, item)
	if s.overtaken(item.pod) {
		s.mu.Unlock()
		pass.Done(func() string { return "the pod changed meanwhile" })
		return true
	}
	if err != nil {
		s.queue.hold(item)
		pod := item.pod // the item may get a newer one once the lock is free
		s.mu.Unlock()
		s.write(func() {
			s.failed(journal.WithReason(ctx, err.Error()), item, pod, cause, err)
			pass.Done(err.Error)
		})
		return true
	}
	ctx = journal.WithReason(ctx, decision.Reason())
	if decision.Node == "" {
		s.queue.park(item, decision.Plugins(), s.snapshot, s.clock.Now())
		s.queue.hold(item)
		s.causes.Return(item.pod.UID, cause)
		reports, pod := s.report(item, decision), item.pod
		s.replay()
		if reports == nil {
			s.queue.release(item, s.clock.Now())
		}
		s.mu.Unlock()
		done := func() { pass.Done(func() string { return decided(pod, decision) }) }
		if reports == nil {
			done()
			return true
		}
		s.write(func() {
			for _, report := range reports {
				report(ctx)
			}
			s.release(item, false)
			done()
		})
		return true
	}
	annotation, pod := s.record(decision), item.pod
	s.assume(pod, decision.Node)
	s.mu.Unlock()
	s.write(func() {
		s.bind(ctx, item, decision, annotation, cause)
		pass.Done(func() string { return decided(pod, decision) })
	})
	return true
}

// decide decides; the lock is held, but for the time that extenders take.
func (s *Scheduler) decide(ctx context.Context, item *queuedPod) (framework.Decision, error) {
	if slices.ContainsFunc(s.configuration.Extenders, func(e *extender) bool { return e.wants(item.pod) }) {
		return s.decideWithExtenders(ctx, item)
	}
	return framework.Schedule(item.profile, s.snapshot, item.pod), nil
}

// overtaken reports whether the pod changed while extenders were asked: then it is in the queue again, or gone.
func (s *Scheduler) overtaken(pod *corev1.Pod) bool {
	if len(s.configuration.Extenders) == 0 {
		return false
	}
	latest, err := s.pods.Pods(pod.Namespace).Get(pod.Name)
	return err != nil || latest.UID != pod.UID || latest.Spec.NodeName != "" || latest.DeletionTimestamp != nil ||
		s.queue.pods[pod.UID] != nil
}

// failed says that an attempt ended in an error, and then lets the pod rest.
func (s *Scheduler) failed(ctx context.Context, item *queuedPod, pod *corev1.Pod, cause journal.Cause, err error) {
	s.logger.Warn("pod not scheduled", "namespace", pod.Namespace, "pod", pod.Name, "error", err)
	s.causes.Return(pod.UID, cause)
	s.reportError(ctx, pod, err.Error())
	s.release(item, true)
}

// release lets the pod be decided about again, now that what there was to write about it is written; after an error once
// it has rested.
func (s *Scheduler) release(item *queuedPod, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.clock.Now(); s.queue.release(item, now) && failed {
		s.queue.retry(item, now)
	}
	s.signal()
}

// report is what there is to write about a pod that fits nowhere.
func (s *Scheduler) report(item *queuedPod, d framework.Decision) []func(context.Context) {
	var all []func(context.Context)
	if report := s.reportUnschedulable(item, d.Message); report != nil {
		all = append(all, report)
	}
	switch {
	case d.Preemption != nil:
		all = append(all, s.preempt(item, d.Preemption))
	case d.Withdrawn:
		pod := item.pod
		s.unnominate(pod.UID, pod.ResourceVersion)
		all = append(all, func(ctx context.Context) { s.setNomination(ctx, pod, "") })
	}
	return all
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
	s.assumed.add(assumption{sequence: s.sequence, pod: &placed})
	s.addPod(&placed)
}

// bindFailed takes back the assumption and lets the pod rest, unless it is gone or placed by now.
func (s *Scheduler) bindFailed(item *queuedPod, cause journal.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid := item.pod.UID
	a, ok := s.assumed.remove(uid)
	if !ok {
		return
	}
	s.removePod(a.pod)
	latest, err := s.pods.Pods(item.pod.Namespace).Get(item.pod.Name)
	if err != nil || latest.UID != uid || latest.Spec.NodeName != "" || latest.DeletionTimestamp != nil {
		return
	}
	item.pod = latest
	s.causes.Return(uid, cause)
	s.queue.retry(item, s.clock.Now())
	s.signal()
}

// addPod puts the pod on its node, and wakes the pods that this may help: there, and where the pod was before.
func (s *Scheduler) addPod(pod *corev1.Pod) {
	before := s.snapshot.Whereabouts(pod.UID)
	happened := s.snapshot.AddPod(pod)
	s.left(before, pod)
	if happened&framework.PodPlaced != 0 {
		s.wake(framework.Event{Change: happened, Node: pod.Spec.NodeName, Pod: pod}, pod.ResourceVersion)
	}
}

// removePod takes the pod away, and wakes the pods that this may help.
func (s *Scheduler) removePod(pod *corev1.Pod) {
	before := s.snapshot.Whereabouts(pod.UID)
	s.snapshot.RemovePod(pod)
	s.left(before, pod)
}

// left wakes the pods that have more room where the pod was before. What it was then counts, not what it is now.
func (s *Scheduler) left(before [2]framework.Whereabouts, pod *corev1.Pod) {
	after := s.snapshot.Whereabouts(pod.UID)
	for _, at := range before {
		if at.Node != "" && at.Node != after[0].Node && at.Node != after[1].Node {
			s.wake(framework.Event{Change: framework.PodRemoved, Node: at.Node, Pod: at.Pod}, pod.ResourceVersion)
		}
	}
}

// unlocked does what takes long without the lock, and keeps what happens meanwhile for replay.
func (s *Scheduler) unlocked(f func()) {
	s.deciding = true
	s.mu.Unlock()
	f()
	s.mu.Lock()
	s.deciding = false
}

// replay tells the pod that has just been parked what happened while it was decided about.
func (s *Scheduler) replay() {
	missed := s.missed
	s.missed = nil
	for _, m := range missed {
		s.wake(m.event, m.resourceVersion)
	}
}

// wake moves on the pods that the event may help, and notes what caused it.
func (s *Scheduler) wake(e framework.Event, resourceVersion string) {
	if s.deciding && e.Change != 0 {
		s.missed = append(s.missed, missed{e, resourceVersion})
	}
	woken := s.queue.wake(e, s.snapshot, s.clock.Now())
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
