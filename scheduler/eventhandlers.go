package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/scheduler/framework"
)

// nodeEvents keep the snapshot's nodes up to date.
func (s *Scheduler) nodeEvents() cache.ResourceEventHandler {
	set := func(obj any) {
		node := obj.(*corev1.Node)
		s.mu.Lock()
		defer s.mu.Unlock()
		happened := s.snapshot.SetNode(node)
		s.wake(framework.Event{Change: happened, Node: node.Name}, node.ResourceVersion)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, obj any) { set(obj) },
		DeleteFunc: func(obj any) {
			node, ok := deleted[*corev1.Node](obj)
			if !ok {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wake(framework.Event{Change: s.snapshot.RemoveNode(node), Node: node.Name}, node.ResourceVersion)
		},
	}
}

// podEvents keep the snapshot's pods and the queue up to date.
func (s *Scheduler) podEvents() cache.ResourceEventHandler {
	set := func(obj any) { s.setPod(obj.(*corev1.Pod)) }
	remove := func(pod *corev1.Pod) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget(pod)
		s.removePod(pod)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: set,
		UpdateFunc: func(before, obj any) {
			// Where the watch missed that a pod was deleted, another of its name looks like its newer version.
			if old := before.(*corev1.Pod); old.UID != obj.(*corev1.Pod).UID {
				remove(old)
			}
			set(obj)
		},
		DeleteFunc: func(obj any) {
			if pod, ok := deleted[*corev1.Pod](obj); ok {
				remove(pod)
			}
		},
	}
}

// setPod takes in a pod's newest version. (That it waits for its gates, the API server has said when it was created.)
func (s *Scheduler) setPod(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod.Spec.NodeName != "" || framework.Ended(pod) {
		s.forget(pod)
		s.addPod(pod)
		return
	}
	s.snapshot.PodsRevision = max(s.snapshot.PodsRevision, framework.Revision(pod))
	s.setNominated(pod)
	if s.assumed.has(pod.UID) {
		return // its binding is under way
	}
	profile := s.configuration.Profiles[pod.Spec.SchedulerName]
	if profile == nil || pod.DeletionTimestamp != nil || framework.Gated(pod) != nil {
		s.queue.remove(pod.UID)
		return
	}
	if _, known := s.queue.pods[pod.UID]; !known {
		s.causes.Add(pod.UID, pod.ResourceVersion)
	}
	s.queue.add(profile, pod, s.clock.Now())
	s.signal()
}

// forget drops what the scheduler wanted of a pod that needs no node any more.
func (s *Scheduler) forget(pod *corev1.Pod) {
	s.queue.remove(pod.UID)
	s.assumed.remove(pod.UID)
	s.causes.Take(pod.UID)
}

// setNominated takes in which node the pod was nominated for. Until what was written of that has come back, an older
// version of the pod says nothing new.
func (s *Scheduler) setNominated(pod *corev1.Pod) {
	item := s.queue.pods[pod.UID]
	before := s.snapshot.Nominated(pod.UID)
	switch {
	case s.assumed.has(pod.UID) || item != nil && (item.held || framework.Revision(pod) < item.nominatedAt):
	case pod.Status.NominatedNodeName == "" || pod.DeletionTimestamp != nil:
		s.unnominate(pod.UID, pod.ResourceVersion)
	default:
		s.nominate(pod, pod.Status.NominatedNodeName)
	}
	if before != "" && before != s.snapshot.Nominated(pod.UID) { // somebody else took it back
		s.queue.tryAgain(pod.UID, s.clock.Now())
	}
}

// deleted is the object of a deletion, also where the watch missed it.
func deleted[T any](obj any) (T, bool) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	object, ok := obj.(T)
	return object, ok
}

// changes are the events of a kind that the snapshot only keeps, and that may help parked pods.
func changes[T metav1.Object](s *Scheduler, set, remove func(T) framework.Change) cache.ResourceEventHandler {
	take := func(object T, f func(T) framework.Change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wake(framework.Event{Change: f(object)}, object.GetResourceVersion())
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { take(obj.(T), set) },
		UpdateFunc: func(_, obj any) { take(obj.(T), set) },
		DeleteFunc: func(obj any) {
			if object, ok := deleted[T](obj); ok {
				take(object, remove)
			}
		},
	}
}

// transform is what is done to objects before they are kept: extenders get them whole.
func (s *Scheduler) transform() cache.TransformFunc {
	if len(s.configuration.Extenders) > 0 {
		return func(obj any) (any, error) { return obj, nil }
	}
	return framework.Slim
}
