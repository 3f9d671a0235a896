package kubelet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/server"
	"minik.dev/kubelet/volumes"
)

// session is the kubelet's work from one power-on to the next cut. Nothing of it outlives Kubelet.session.
type session struct {
	*Kubelet
	queue   workqueue.TypedRateLimitingInterface[types.UID]
	probes  *probes.Manager
	causes  journal.Causes[types.UID]
	events  *events.Writer
	work    sync.WaitGroup // every goroutine that works on a pod, pulls, probes, watches or writes Events
	watched *volumes.Watcher

	mu      sync.Mutex
	entries map[types.UID]*podState
	// deferred are the pods whose resize waits for room.
	deferred map[types.UID]bool

	granting sync.Mutex // held while a pod is granted resources, so that what is left is counted once
}

// session serves the node until ctx is done. rebooted says that its containers are known to be gone.
func (k *Kubelet) session(ctx context.Context, rebooted bool) error {
	s := &session{Kubelet: k, entries: map[types.UID]*podState{}, deferred: map[types.UID]bool{}}
	s.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](100*time.Millisecond, 10*time.Second),
		workqueue.TypedRateLimitingQueueConfig[types.UID]{Clock: k.clock})
	s.probes = probes.NewManager(probes.Options{Runtime: k.options.Runtime, Dial: k.options.Dial, Clock: k.clock,
		Look: s.target, Changed: s.queue.Add, Unhealthy: func(pod *corev1.Pod, c *corev1.Container, message string) {
			s.event(pod, c, events.Warning("Unhealthy", "%s", message))
		}})
	s.events = events.New(k.client, corev1.EventSource{Component: component, Host: k.options.Node}, k.clock, k.log)
	s.watched = volumes.NewWatcher(k.client, &s.work, s.outdated)
	defer s.work.Wait()
	defer s.watched.Stop()
	defer s.probes.Stop()
	defer s.queue.ShutDown()

	// 1. Answer the API server before the node says that it is there.
	stopServer, err := server.New(server.Options{Node: k.options.Node, Runtime: k.options.Runtime, Pods: s, Listen: k.options.Listen,
		TLS: k.options.TLS, Dial: k.options.Dial, HostIPs: k.hostIPs, Clock: k.clock, Logger: k.log}).Start(ctx)
	if err != nil {
		return err
	}
	defer stopServer()
	// 2. Learn which pods are bound to the node.
	factory := informers.NewSharedInformerFactoryWithOptions(k.client, 0,
		informers.WithTransform(withoutManagedFields),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", k.options.Node).String()
		}))
	pods := factory.Core().V1().Pods().Informer()
	handled, err := pods.AddEventHandler(s.handlers())
	if err != nil {
		return fmt.Errorf("watching the pods of node %s: %w", k.options.Node, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	defer cancel()
	// Every pod must have an entry by now, not only be in the store: what runs and has none is removed as an orphan.
	if !cache.WaitFor(ctx, "", handled.HasSyncedChecker()) {
		return nil
	}
	// 3. Find what runs already.
	heart := s.heartbeat(ctx, rebooted)
	if heart == nil {
		return nil
	}
	if err := s.adopt(ctx, heart.adopts, pods.GetStore()); err != nil {
		return err
	}
	if err := s.findFiles(); err != nil {
		return err
	}
	// 4. Work until the end.
	k.current.Store(s)
	defer k.current.Store(nil)
	s.work.Go(func() { s.events.Run(ctx) })
	s.work.Go(func() { heart.beat(ctx) })
	s.work.Go(func() { s.probes.Run(ctx) })
	s.work.Go(func() { s.dispatch(ctx) })
	<-ctx.Done()
	return nil
}

// adopt hands the pods to a runtime that lost its containers with its process, and enqueues what runs of pods that are
// no longer in the API, so that it is removed.
func (s *session) adopt(ctx context.Context, adopts bool, store cache.Store) error {
	if adopter, ok := s.options.Runtime.(runtime.Adopter); ok && adopts {
		var pods []*corev1.Pod
		for _, obj := range store.List() {
			if pod, ok := obj.(*corev1.Pod); ok {
				pods = append(pods, pod)
			}
		}
		if err := adopter.Adopt(ctx, pods); err != nil {
			return fmt.Errorf("adopting the pods of node %s: %w", s.options.Node, err)
		}
	}
	running, err := s.options.Runtime.Pods(ctx)
	if err != nil {
		return fmt.Errorf("listing the pods that run on node %s: %w", s.options.Node, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pod := range running {
		if _, ok := s.entries[pod.UID]; !ok {
			orphan := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: pod.UID, Namespace: pod.Namespace, Name: pod.Name}}
			for _, c := range pod.Containers {
				orphan.Spec.Containers = append(orphan.Spec.Containers, corev1.Container{Name: c.Name, Image: c.Image})
			}
			s.entries[pod.UID] = newPodState(orphan)
			s.entries[pod.UID].gone = true
		}
		s.queue.Add(pod.UID)
	}
	return nil
}

// outdated makes the pod's volumes be looked at again.
func (s *session) outdated(uid types.UID, revision string) {
	e := s.lookup(uid)
	if e == nil {
		return
	}
	e.mu.Lock()
	e.stale = true
	e.mu.Unlock()
	s.causes.Add(uid, revision)
	s.queue.Add(uid)
}

// handlers note each event's pod, with the revision as a cause of what follows.
func (s *session) handlers() cache.ResourceEventHandler {
	seen := func(obj any) {
		if pod, ok := obj.(*corev1.Pod); ok {
			s.entry(pod).see(pod)
			s.causes.Add(pod.UID, pod.ResourceVersion)
			s.queue.Add(pod.UID)
			if terminal(pod.Status.Phase) {
				s.wakeDeferred()
			}
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: seen,
		UpdateFunc: func(old, obj any) {
			// A pod that was deleted and made again under its name between two looks is two pods.
			if was, is := old.(*corev1.Pod), obj.(*corev1.Pod); was.UID != is.UID {
				s.lose(was)
			}
			seen(obj)
		},
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok {
				s.lose(pod)
			}
		},
	}
}

// lose notes that the pod is no longer in the API.
func (s *session) lose(pod *corev1.Pod) {
	e := s.entry(pod)
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	s.causes.Add(pod.UID, pod.ResourceVersion)
	s.queue.Add(pod.UID)
}

// entry is what the session knows of the pod, made where there is nothing yet.
func (s *session) entry(pod *corev1.Pod) *podState {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[pod.UID]
	if e == nil {
		e = newPodState(pod)
		if _, ok := s.options.Runtime.(runtime.Resizer); ok {
			e.granted = map[string]corev1.ResourceRequirements{}
		}
		s.entries[pod.UID] = e
	}
	return e
}

func (s *session) lookup(uid types.UID) *podState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[uid]
}

// dispatch gives each pod that is due a goroutine of its own; the queue never hands out a pod twice at a time.
func (s *session) dispatch(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.queue.ShutDown)
	defer stop()
	for {
		uid, shutdown := s.queue.Get()
		if shutdown {
			return
		}
		s.work.Go(func() {
			defer s.queue.Done(uid)
			err := s.sync(ctx, uid)
			if err == nil {
				s.queue.Forget(uid)
				return
			}
			if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.log.Warn("pod is tried again", "uid", uid, "error", err)
			}
			s.queue.AddRateLimited(uid)
		})
	}
}

func withoutManagedFields(obj any) (any, error) {
	if accessor, ok := obj.(metav1.Object); ok {
		accessor.SetManagedFields(nil)
	}
	return obj, nil
}

// target is the container with this ID as a probe needs it.
func (s *session) target(uid types.UID, name, id string) (probes.Target, bool) {
	if e := s.lookup(uid); e != nil {
		return e.target(name, id)
	}
	return probes.Target{}, false
}

// List is what the server tells of: the node's pods, with the newest status computed.
func (s *session) List() []*corev1.Pod {
	s.mu.Lock()
	entries := slices.Collect(maps.Values(s.entries))
	s.mu.Unlock()
	var out []*corev1.Pod
	for _, e := range entries {
		out = append(out, e.snapshot())
	}
	return out
}

// Find is the pod of that name, with its newest status; a living one before one that is no longer in the API.
func (s *session) Find(namespace, name string) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *corev1.Pod
	for _, e := range s.entries {
		pod := e.snapshot()
		if pod.Namespace != namespace || pod.Name != name {
			continue
		}
		e.mu.Lock()
		gone := e.gone
		e.mu.Unlock()
		if found == nil || !gone {
			found = pod
		}
	}
	return found
}
