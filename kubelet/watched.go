package kubelet

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// source is an object that volumes are made of.
type source struct {
	resource        string // configmaps or secrets
	namespace, name string
}

// watched follows the objects that mounted volumes are made of: each with one watch of its own, for as long as a pod
// mounts it. A node sees no others, and never all of a namespace's secrets.
type watched struct {
	client kubernetes.Interface
	// changed is told which pod's volumes may have changed, and by which revision.
	changed func(uid types.UID, revision string)
	work    *sync.WaitGroup

	mu      sync.Mutex
	sources map[source]*following // nil once stopped
}

// following is one watch, and whom it is for.
type following struct {
	cancel context.CancelFunc
	pods   map[types.UID]bool
}

func newWatched(client kubernetes.Interface, work *sync.WaitGroup, changed func(types.UID, string)) *watched {
	return &watched{client: client, changed: changed, work: work, sources: map[source]*following{}}
}

// sourcesOf are the objects that the pod's volumes are made of.
func sourcesOf(pod *corev1.Pod) []source {
	var out []source
	add := func(resource, name string) { out = append(out, source{resource, pod.Namespace, name}) }
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			add("configmaps", v.ConfigMap.Name)
		case v.Secret != nil:
			add("secrets", v.Secret.SecretName)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				switch {
				case s.ConfigMap != nil:
					add("configmaps", s.ConfigMap.Name)
				case s.Secret != nil:
					add("secrets", s.Secret.Name)
				}
			}
		}
	}
	return out
}

// follow watches what the pod's volumes are made of, until forget or until ctx is done.
func (w *watched) follow(ctx context.Context, pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sources == nil {
		return
	}
	for _, s := range sourcesOf(pod) {
		f := w.sources[s]
		if f == nil {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			f = &following{cancel: cancel, pods: map[types.UID]bool{}}
			w.sources[s] = f
			w.work.Go(func() { w.watch(inner, s) })
		}
		f.pods[pod.UID] = true
	}
}

// watch tells of every change of one object.
func (w *watched) watch(ctx context.Context, s source) {
	kind, one := w.listWatch(s)
	tell := func(obj any) {
		if deleted, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = deleted.Obj
		}
		if object, ok := obj.(metav1.Object); ok && object.GetName() == s.name {
			w.tell(s, object.GetResourceVersion(), immutable(obj))
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{ObjectType: kind,
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(one, w.client),
		Handler:       cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, obj any) { tell(obj) }, DeleteFunc: tell}})
	informer.RunWithContext(ctx)
}

// listWatch asks for one object.
func (w *watched) listWatch(s source) (runtime.Object, *cache.ListWatch) {
	one := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", s.name).String()
		return o
	}
	if s.resource == "secrets" {
		secrets := w.client.CoreV1().Secrets(s.namespace)
		return &corev1.Secret{}, &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return secrets.List(ctx, one(o))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return secrets.Watch(ctx, one(o))
			}}
	}
	maps := w.client.CoreV1().ConfigMaps(s.namespace)
	return &corev1.ConfigMap{}, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return maps.List(ctx, one(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return maps.Watch(ctx, one(o))
		}}
}

// immutable says that the object never changes, so that there is nothing to follow.
func immutable(obj any) bool {
	switch o := obj.(type) {
	case *corev1.ConfigMap:
		return ptr.Deref(o.Immutable, false)
	case *corev1.Secret:
		return ptr.Deref(o.Immutable, false)
	}
	return false
}

// tell passes a change on. The watch of what never changes again ends here, and is not begun anew while a pod mounts it.
func (w *watched) tell(s source, revision string, last bool) {
	w.mu.Lock()
	var uids []types.UID
	if f := w.sources[s]; f != nil {
		if last {
			f.cancel()
		}
		for uid := range f.pods {
			uids = append(uids, uid)
		}
	}
	w.mu.Unlock()
	for _, uid := range uids {
		w.changed(uid, revision)
	}
}

// forget ends the watches that only this pod was the reason for.
func (w *watched) forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, f := range w.sources {
		delete(f.pods, uid)
		if len(f.pods) == 0 {
			f.cancel()
			delete(w.sources, s)
		}
	}
}

// stop ends every watch; none is begun after it.
func (w *watched) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.sources {
		f.cancel()
	}
	w.sources = nil
}
