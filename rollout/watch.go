package rollout

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/controllers"
	"minik.dev/controllers/loop"
)

// Watch keeps up with the applied objects and with all pods, which explain what the others wait for.
type Watch struct {
	factory informers.SharedInformerFactory
	applied []applied
	pods    informers.GenericInformer
	changed chan struct{} // holds one token when something has changed since the last look
	clock   clock.WithTicker
}

// applied is one resource of which objects were applied that somebody waits for.
type applied struct {
	kind     string
	status   func(runtime.Object) controllers.RolloutStatus
	informer informers.GenericInformer
	names    map[cache.ObjectName]bool
}

// pods are no controller's, and waited for all the same.
var pods = corev1.SchemeGroupVersion.WithResource("pods")

// New starts nothing.
func New(client kubernetes.Interface, objects []*resource.Info) (*Watch, error) {
	w := &Watch{factory: informers.NewSharedInformerFactory(client, 0), changed: make(chan struct{}, 1),
		clock: clock.RealClock{}} // a person waits
	var err error
	if w.pods, err = w.informer(pods); err != nil {
		return nil, err
	}
	index := map[schema.GroupVersionResource]int{}
	for _, object := range objects {
		of := object.Mapping.Resource
		status := controllers.RolloutStatusOf(of.GroupResource())
		if of == pods {
			status = loop.RolloutOf(PodStatus)
		}
		if status == nil {
			continue
		}
		i, ok := index[of]
		if !ok {
			informer, err := w.informer(of)
			if err != nil {
				return nil, err
			}
			i = len(w.applied)
			index[of] = i
			w.applied = append(w.applied, applied{object.Mapping.GroupVersionKind.Kind, status, informer, map[cache.ObjectName]bool{}})
		}
		w.applied[i].names[cache.NewObjectName(object.Namespace, object.Name)] = true
	}
	return w, nil
}

// informer is one that says when something has changed.
func (w *Watch) informer(of schema.GroupVersionResource) (informers.GenericInformer, error) {
	informer, err := w.factory.ForResource(of)
	if err != nil {
		return nil, fmt.Errorf("watching the rollout of %s: %w", of.Resource, err)
	}
	signal := func() {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { signal() },
		UpdateFunc: func(any, any) { signal() },
		DeleteFunc: func(any) { signal() },
	})
	if err != nil {
		return nil, fmt.Errorf("watching the rollout of %s: %w", of.Resource, err)
	}
	return informer, nil
}

// remindAfter is how often a rollout without an end says what it is waiting for.
const remindAfter = 5 * time.Second

// lookAfter is how often a rollout in which nothing changes is looked at, for how long that has been so.
const lookAfter = 200 * time.Millisecond

// Follow shows the rollout whenever it has changed, and returns it once no workload is waiting any more, or when there was no progress
// for most, where 0 is no bound, or for less where what is waited for does not come by waiting. Its informers have ended then.
func (w *Watch) Follow(ctx context.Context, out io.Writer, most time.Duration) ([]Workload, error) {
	watching, stop := context.WithCancel(ctx)
	defer w.factory.Shutdown() // waits for the informers, so it has to come after stop
	defer stop()
	w.factory.Start(watching.Done())
	for kind, synced := range w.factory.WaitForCacheSync(watching.Done()) {
		if !synced {
			return nil, fmt.Errorf("waiting for the list of %s: %w", kind, context.Cause(ctx))
		}
	}
	display := newDisplay(out)
	remind := w.clock.NewTicker(remindAfter)
	defer remind.Stop()
	look := w.clock.NewTicker(lookAfter)
	defer look.Stop()
	since, last := w.clock.Now(), ""
	for {
		now, err := w.observe()
		if err != nil {
			return nil, err
		}
		display.show(now)
		if settled(now) {
			return now, nil
		}
		if is := progress(now); is != last {
			since, last = w.clock.Now(), is
		}
		bound := patience(now, most)
		if bound > 0 && w.clock.Since(since) >= bound {
			display.remind(now)
			return now, nil
		}
		select {
		case <-look.C():
		case <-ctx.Done():
			return now, fmt.Errorf("stopped before every workload was available: %w", context.Cause(ctx))
		case <-w.changed:
		case <-remind.C():
			display.remind(now)
		}
	}
}

// observe reads the applied objects and all pods from the informers.
func (w *Watch) observe() ([]Workload, error) {
	pods, err := list[*corev1.Pod](w.pods)
	if err != nil {
		return nil, err
	}
	var seen []observed
	for _, a := range w.applied {
		objects, err := list[metav1.Object](a.informer)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if a.names[cache.MetaObjectToName(object)] {
				seen = append(seen, observed{a.kind, object, a.status(object.(runtime.Object))})
			}
		}
	}
	return workloads(seen, pods), nil
}

// list are an informer's objects as Go values of one type.
func list[T any](informer informers.GenericInformer) ([]T, error) {
	objects, err := informer.Lister().List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("reading the rollout's caches: %w", err)
	}
	out := make([]T, len(objects))
	for i, object := range objects {
		out[i] = object.(T)
	}
	return out, nil
}
