package volumes

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// source is an object that volumes are made of, or all objects of a signer with some labels.
type source struct {
	resource        string // configmaps, secrets or clustertrustbundles
	namespace, name string
	signer, labels  string // in place of the name
}

// Watcher follows the objects that mounted volumes are made of: each with one watch of its own, for as long as a pod
// mounts it. A node sees no others, and never all of a namespace's secrets.
type Watcher struct {
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

// NewWatcher follows nothing yet. Its watches run in goroutines of work; changed is told which pod's volumes may have changed, and by
// which revision.
func NewWatcher(client kubernetes.Interface, work *sync.WaitGroup, changed func(types.UID, string)) *Watcher {
	return &Watcher{client: client, changed: changed, work: work, sources: map[source]*following{}}
}

// object is a kind of source.
type object struct {
	kind  k8sruntime.Object
	list  func(context.Context, kubernetes.Interface, string, metav1.ListOptions) (k8sruntime.Object, error)
	watch func(context.Context, kubernetes.Interface, string, metav1.ListOptions) (watch.Interface, error)
	// clusterScoped objects are in no namespace.
	clusterScoped bool
	// immutable says that the object never changes, so that there is nothing to follow.
	immutable func(obj any) bool
}

// sourcesOf are the objects that the pod's volumes are made of.
func sourcesOf(pod *corev1.Pod) []source {
	var out []source
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i].VolumeSource
		if row, err := rowOf(v); err == nil && row.sources != nil {
			for _, s := range row.sources(v) {
				if !objects[s.resource].clusterScoped {
					s.namespace = pod.Namespace
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// Follow watches what the pod's volumes are made of, until Forget or until ctx is done.
func (w *Watcher) Follow(ctx context.Context, pod *corev1.Pod) {
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

// watch tells of every change of the source.
func (w *Watcher) watch(ctx context.Context, s source) {
	of := objects[s.resource]
	one := w.listWatch(s, of)
	tell := func(obj any) {
		if deleted, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = deleted.Obj
		}
		if object, ok := obj.(metav1.Object); ok && (s.signer != "" || object.GetName() == s.name) {
			w.tell(s, object.GetResourceVersion(), of.immutable(obj))
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{ObjectType: of.kind,
		ListerWatcher: cache.ToListWatcherWithWatchListSemantics(one, w.client),
		Handler:       cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, obj any) { tell(obj) }, DeleteFunc: tell}})
	informer.RunWithContext(ctx)
}

// listWatch asks for the source alone.
func (w *Watcher) listWatch(s source, of object) *cache.ListWatch {
	one := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", s.name).String()
		if s.signer != "" {
			o.FieldSelector, o.LabelSelector = fields.OneTermEqualSelector("spec.signerName", s.signer).String(), s.labels
		}
		return o
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (k8sruntime.Object, error) {
			return of.list(ctx, w.client, s.namespace, one(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return of.watch(ctx, w.client, s.namespace, one(o))
		}}
}

// tell passes a change on. The watch of what never changes again ends here, and is not begun anew while a pod mounts it.
func (w *Watcher) tell(s source, revision string, last bool) {
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

// Forget ends the watches that only this pod was the reason for.
func (w *Watcher) Forget(uid types.UID) {
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

// Stop ends every watch; none is begun after it.
func (w *Watcher) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.sources {
		f.cancel()
	}
	w.sources = nil
}
