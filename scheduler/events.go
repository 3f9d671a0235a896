package scheduler

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// nodeEvents keep the snapshot's nodes up to date.
func (s *Scheduler) nodeEvents() cache.ResourceEventHandler {
	set := func(obj any) {
		node := obj.(*corev1.Node)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wake(s.snapshot.SetNode(node), node.Name, node.ResourceVersion)
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
			s.wake(s.snapshot.RemoveNode(node), node.Name, node.ResourceVersion)
		},
	}
}

// podEvents keep the snapshot's pods and the queue up to date.
func (s *Scheduler) podEvents(ctx context.Context) cache.ResourceEventHandler {
	set := func(obj any) {
		pod := obj.(*corev1.Pod)
		if report := s.setPod(pod); report != nil {
			s.write(func() { report(ctx) })
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, obj any) { set(obj) },
		DeleteFunc: func(obj any) {
			pod, ok := deleted[*corev1.Pod](obj)
			if !ok {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.forget(pod)
			s.wake(s.snapshot.RemovePod(pod), pod.Spec.NodeName, pod.ResourceVersion)
		},
	}
}

// setPod takes in a pod's newest version, and returns what there is to write about it.
func (s *Scheduler) setPod(pod *corev1.Pod) (report func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod.Spec.NodeName != "" || ended(pod) {
		s.forget(pod)
		s.wake(s.snapshot.AddPod(pod), pod.Spec.NodeName, pod.ResourceVersion)
		return nil
	}
	s.snapshot.PodsRevision = max(s.snapshot.PodsRevision, revision(pod))
	if _, ok := s.assumed[pod.UID]; ok {
		return nil // its binding is under way
	}
	profile := s.configuration.Profiles[pod.Spec.SchedulerName]
	if profile == nil || pod.DeletionTimestamp != nil {
		s.queue.remove(pod.UID)
		return nil
	}
	if len(pod.Spec.SchedulingGates) > 0 {
		s.queue.remove(pod.UID)
		return s.reportGated(pod)
	}
	if _, known := s.queue.pods[pod.UID]; !known {
		s.causes.Add(pod.UID, pod.ResourceVersion)
	}
	s.queue.add(profile, pod, s.clock.Now())
	s.signal()
	return nil
}

// forget drops what was remembered of a pod that needs no node any more.
func (s *Scheduler) forget(pod *corev1.Pod) {
	s.queue.remove(pod.UID)
	delete(s.assumed, pod.UID)
	s.causes.Take(pod.UID)
}

// deleted is the object of a deletion, also where the watch missed it.
func deleted[T any](obj any) (T, bool) {
	if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	object, ok := obj.(T)
	return object, ok
}

// slim drops from nodes and pods what no decision reads, before they are kept in memory.
func slim(obj any) (any, error) {
	switch obj := obj.(type) {
	case *corev1.Node:
		slimMeta(&obj.ObjectMeta)
		obj.Status = corev1.NodeStatus{Allocatable: obj.Status.Allocatable}
	case *corev1.Pod:
		slimMeta(&obj.ObjectMeta)
		slimContainers(obj.Spec.Containers)
		slimContainers(obj.Spec.InitContainers)
		obj.Spec.EphemeralContainers, obj.Spec.Volumes = nil, nil
		slimStatus(&obj.Status)
	}
	return obj, nil
}

func slimMeta(meta *metav1.ObjectMeta) {
	meta.ManagedFields, meta.Annotations, meta.Finalizers = nil, nil, nil
}

func slimContainers(containers []corev1.Container) {
	for i, c := range containers {
		containers[i] = corev1.Container{
			Name: c.Name, Ports: c.Ports, Resources: c.Resources, RestartPolicy: c.RestartPolicy,
		}
	}
}

func slimStatus(status *corev1.PodStatus) {
	kept := corev1.PodStatus{Phase: status.Phase, Resources: status.Resources}
	for _, c := range status.Conditions {
		if c.Type == corev1.PodScheduled || c.Type == corev1.PodResizePending {
			kept.Conditions = append(kept.Conditions, c)
		}
	}
	kept.ContainerStatuses = slimStatuses(status.ContainerStatuses)
	kept.InitContainerStatuses = slimStatuses(status.InitContainerStatuses)
	*status = kept
}

// slimStatuses keep the statuses that say what a container was really given.
func slimStatuses(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var kept []corev1.ContainerStatus
	for _, c := range statuses {
		if c.Resources != nil || c.AllocatedResources != nil {
			kept = append(kept, corev1.ContainerStatus{
				Name: c.Name, Resources: c.Resources, AllocatedResources: c.AllocatedResources,
			})
		}
	}
	return kept
}
