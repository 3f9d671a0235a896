package probes

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"minik.dev/kubelet/runtime"
)

// Options are what a Manager is made with; all of them are required.
type Options struct {
	Runtime runtime.Runtime
	// Dial connects to an address of the cluster.
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Clock clock.WithTicker
	// Look finds the container with this ID; it is false where that does not run any more, or was asked to end.
	Look func(uid types.UID, name, id string) (Target, bool)
	// Changed is told of which pod a verdict has changed, Unhealthy of every failure with the message of its Event.
	Changed   func(types.UID)
	Unhealthy func(pod *corev1.Pod, c *corev1.Container, message string)
}

// Running is the running attempt at a container, and since when it runs.
type Running struct {
	ID string
	At time.Time
}

// Target is a running container as a probe needs it.
type Target struct {
	Pod       *corev1.Pod
	Container *corev1.Container
	IP        string // the pod's
	At        time.Time
}

// Manager asks each probe of the running containers when it is due, and keeps the results. Between two probes there is no
// goroutine.
type Manager struct {
	options Options
	queue   workqueue.TypedDelayingInterface[key]

	mu   sync.Mutex // guards what follows; never held while calling out
	pods map[types.UID]*podProbes
}

// podProbes are the results by the names of containers, and the probes that are in the queue.
type podProbes struct {
	results   map[string]Results
	scheduled map[key]bool
}

// key is one probe of one attempt at a container.
type key struct {
	uid  types.UID
	name string
	id   string
	kind Kind
}

// NewManager makes a manager without probes. Its Stop must be called, whether Run was or not.
func NewManager(options Options) *Manager {
	return &Manager{options: options, pods: map[types.UID]*podProbes{}, queue: workqueue.NewTypedDelayingQueueWithConfig(
		workqueue.TypedDelayingQueueConfig[key]{Clock: options.Clock})}
}

// Stop ends the queue.
func (m *Manager) Stop() { m.queue.ShutDown() }

// Run asks each probe that is due, in a goroutine of its own, until ctx is done and all have ended.
func (m *Manager) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, m.queue.ShutDown)
	defer stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		key, shutdown := m.queue.Get()
		if shutdown {
			return
		}
		asking.Go(func() {
			defer m.queue.Done(key)
			m.probe(ctx, key)
		})
	}
}

// Results are those of the pod's containers, by their names. The map is the caller's.
func (m *Manager) Results(uid types.UID) map[string]Results {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pods[uid]; p != nil {
		return maps.Clone(p.results)
	}
	return nil
}

// Forget drops what is known of a pod that is no more.
func (m *Manager) Forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, uid)
}

// Schedule puts the probes of the pod's running containers into the queue that are not there yet.
func (m *Manager) Schedule(pod *corev1.Pod, running map[string]Running, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range runtime.ContainersOf(pod) {
		started, ok := running[c.Name]
		if !ok {
			continue
		}
		for _, kind := range []Kind{Startup, Readiness, Liveness} {
			if Of(c, kind) == nil {
				continue
			}
			p := m.pods[pod.UID]
			if p == nil {
				p = &podProbes{results: map[string]Results{}, scheduled: map[key]bool{}}
				m.pods[pod.UID] = p
			}
			m.schedule(p, c, key{pod.UID, c.Name, started.ID, kind}, started.At, now)
		}
	}
}

// schedule queues one probe for when it is due; m.mu is held.
func (m *Manager) schedule(p *podProbes, c *corev1.Container, key key, started, now time.Time) {
	if p.scheduled[key] {
		return
	}
	results := p.results[key.name]
	if results.ID != key.id {
		results = Results{ID: key.id}
		p.results[key.name] = results
	}
	if wait := wait(c, key.kind, results, started, now); wait >= 0 {
		p.scheduled[key] = true
		m.queue.AddAfter(key, wait)
	}
}

// probe asks once, notes the answer, tells where the verdict has changed and schedules the next time.
func (m *Manager) probe(ctx context.Context, key key) {
	m.mu.Lock()
	p := m.pods[key.uid]
	if p != nil {
		delete(p.scheduled, key)
	}
	m.mu.Unlock()
	target, ok := m.options.Look(key.uid, key.name, key.id)
	if p == nil || !ok {
		return
	}
	failure := m.ask(ctx, target, key)
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	results := p.results[key.name]
	if results.ID != key.id {
		m.mu.Unlock()
		return
	}
	before := *results.Of(key.kind)
	after := before.After(Of(target.Container, key.kind), failure)
	*results.Of(key.kind) = after
	p.results[key.name] = results
	m.schedule(p, target.Container, key, target.At, m.options.Clock.Now())
	m.mu.Unlock()
	if failure != nil {
		m.options.Unhealthy(target.Pod, target.Container, fmt.Sprintf("%s probe failed: %v", key.kind, failure))
	}
	if before.Success != after.Success || before.Failure != after.Failure {
		m.options.Changed(key.uid)
	}
}

// ask lets the runtime answer where it can, and dials otherwise.
func (m *Manager) ask(ctx context.Context, target Target, key key) error {
	probe := Of(target.Container, key.kind)
	if prober, ok := m.options.Runtime.(Prober); ok {
		if err, handled := prober.Probe(ctx, key.id, key.kind, probe); handled {
			return err
		}
	}
	if executor, ok := m.options.Runtime.(runtime.Executor); ok && probe.Exec != nil {
		return probeCommand(ctx, executor, key.id, probe)
	}
	return Dialer{m.options.Dial}.probe(ctx, target.IP, target.Container, probe)
}
