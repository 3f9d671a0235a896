package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// rolloutWatch keeps up with the applied objects and their pods.
type rolloutWatch struct {
	factory informers.SharedInformerFactory
	applied map[string]map[objectKey]bool // kind to the objects that were applied
	changed chan struct{}                 // holds one token when something has changed since the last look
}

// newRolloutWatch starts nothing.
func newRolloutWatch(client kubernetes.Interface, objects []*resource.Info) (*rolloutWatch, error) {
	w := &rolloutWatch{
		factory: informers.NewSharedInformerFactory(client, 0),
		applied: map[string]map[objectKey]bool{},
		changed: make(chan struct{}, 1),
	}
	for _, object := range objects {
		kind := object.Mapping.GroupVersionKind.Kind
		if w.applied[kind] == nil {
			w.applied[kind] = map[objectKey]bool{}
		}
		w.applied[kind][objectKey{object.Namespace, object.Name}] = true
	}
	signal := func() {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
	for _, informer := range w.informers() {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { signal() },
			UpdateFunc: func(any, any) { signal() },
			DeleteFunc: func(any) { signal() },
		})
		if err != nil {
			return nil, fmt.Errorf("watching the rollout: %w", err)
		}
	}
	return w, nil
}

// informers are those that the applied kinds need, and pods, which explain what the others wait for.
func (w *rolloutWatch) informers() []cache.SharedIndexInformer {
	needed := []cache.SharedIndexInformer{w.factory.Core().V1().Pods().Informer()}
	for kind, informer := range map[string]func() cache.SharedIndexInformer{
		"Deployment":            w.factory.Apps().V1().Deployments().Informer,
		"ReplicaSet":            w.factory.Apps().V1().ReplicaSets().Informer,
		"ReplicationController": w.factory.Core().V1().ReplicationControllers().Informer,
		"Service":               w.factory.Core().V1().Services().Informer,
	} {
		if w.applied[kind] != nil {
			needed = append(needed, informer())
		}
	}
	return needed
}

// remindAfter is how often a rollout without an end says what it is waiting for.
const remindAfter = 5 * time.Second

// follow shows the rollout whenever it has changed, and returns it once no workload is waiting any more. Its informers have
// ended then.
func (w *rolloutWatch) follow(ctx context.Context, display *display) ([]workload, error) {
	watching, stop := context.WithCancel(ctx)
	defer w.factory.Shutdown() // waits for the informers, so it has to come after stop
	defer stop()
	w.factory.Start(watching.Done())
	for kind, synced := range w.factory.WaitForCacheSync(watching.Done()) {
		if !synced {
			return nil, fmt.Errorf("waiting for the list of %s: %w", kind, context.Cause(ctx))
		}
	}
	remind := time.NewTicker(remindAfter)
	defer remind.Stop()
	for {
		seen, err := w.observe()
		if err != nil {
			return nil, err
		}
		workloads := rollout(seen)
		display.show(workloads)
		if settled(workloads) {
			return workloads, nil
		}
		select {
		case <-ctx.Done():
			return workloads, fmt.Errorf("stopped before every workload was available: %w", context.Cause(ctx))
		case <-w.changed:
		case <-remind.C:
			display.remind(workloads)
		}
	}
}

// settled reports whether waiting longer changes nothing: every workload is available or has failed.
func settled(workloads []workload) bool {
	for _, w := range workloads {
		if w.State == waiting {
			return false
		}
	}
	return true
}

// observe reads the applied objects and all pods from the informers.
func (w *rolloutWatch) observe() (observed, error) {
	seen := observed{Applied: w.applied["Pod"]}
	var err error
	if seen.Pods, err = w.factory.Core().V1().Pods().Lister().List(labels.Everything()); err != nil {
		return observed{}, fmt.Errorf("listing pods: %w", err)
	}
	if keys := w.applied["Deployment"]; keys != nil {
		all, err := w.factory.Apps().V1().Deployments().Lister().List(labels.Everything())
		if err != nil {
			return observed{}, fmt.Errorf("listing deployments: %w", err)
		}
		seen.Deployments = only(all, keys, func(d *appsv1.Deployment) objectKey { return objectKey{d.Namespace, d.Name} })
	}
	if keys := w.applied["ReplicaSet"]; keys != nil {
		all, err := w.factory.Apps().V1().ReplicaSets().Lister().List(labels.Everything())
		if err != nil {
			return observed{}, fmt.Errorf("listing replicasets: %w", err)
		}
		seen.ReplicaSets = only(all, keys, func(rs *appsv1.ReplicaSet) objectKey { return objectKey{rs.Namespace, rs.Name} })
	}
	if keys := w.applied["ReplicationController"]; keys != nil {
		all, err := w.factory.Core().V1().ReplicationControllers().Lister().List(labels.Everything())
		if err != nil {
			return observed{}, fmt.Errorf("listing replicationcontrollers: %w", err)
		}
		seen.Controllers = only(all, keys, func(rc *corev1.ReplicationController) objectKey {
			return objectKey{rc.Namespace, rc.Name}
		})
	}
	if keys := w.applied["Service"]; keys != nil {
		all, err := w.factory.Core().V1().Services().Lister().List(labels.Everything())
		if err != nil {
			return observed{}, fmt.Errorf("listing services: %w", err)
		}
		seen.Services = only(all, keys, func(s *corev1.Service) objectKey { return objectKey{s.Namespace, s.Name} })
	}
	return seen, nil
}

// only keeps the objects whose keys were applied.
func only[T any](all []T, keys map[objectKey]bool, key func(T) objectKey) []T {
	var out []T
	for _, object := range all {
		if keys[key(object)] {
			out = append(out, object)
		}
	}
	return out
}
