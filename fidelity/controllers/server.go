package controllers

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // their defaults
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
)

// server is client-go's fake clientset with what controllers rely on a real API server for: defaults, generated names, UIDs, revisions
// and conflicts, generations, statuses that are written on their own, and pods that take their time to end.
type server struct {
	*fake.Clientset
	mu       sync.Mutex
	revision int64
	names    map[string]int
}

func newServer() *server {
	s := &server{Clientset: fake.NewSimpleClientset(), names: map[string]int{}}
	s.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch a := action.(type) {
		case clienttesting.CreateActionImpl:
			obj, err := s.create(a)
			return true, obj, err
		case clienttesting.UpdateActionImpl:
			obj, err := s.update(a.GetResource(), a.GetSubresource(), a.GetObject())
			return true, obj, err
		case clienttesting.PatchActionImpl:
			obj, err := s.patch(a)
			return true, obj, err
		case clienttesting.DeleteActionImpl:
			return true, nil, s.delete(a)
		}
		return false, nil, nil
	})
	return s
}

// create names the object and its UID by how many there were of that name before: so they do not depend on which of several that are
// made at once comes first.
func (s *server) create(a clienttesting.CreateActionImpl) (runtime.Object, error) {
	obj := wire(a.GetObject())
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	legacyscheme.Scheme.Default(obj)
	m.SetNamespace(a.GetNamespace())
	if m.GetName() == "" {
		m.SetName(fmt.Sprintf("%s%05d", m.GetGenerateName(), s.next(a.GetResource().Resource+m.GetGenerateName())))
	}
	m.SetUID(types.UID(fmt.Sprintf("%s/%s/%d", a.GetResource().Resource, m.GetName(), s.next(a.GetResource().Resource+"/"+m.GetName()))))
	m.SetCreationTimestamp(metav1.Now().Rfc3339Copy())
	m.SetGeneration(1)
	s.stamp(m)
	if pod, ok := obj.(*corev1.Pod); ok {
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
		pod.CreationTimestamp.Time = pod.CreationTimestamp.Add(-age(pod.Name))
	} else if status := field(obj, "Status"); status.IsValid() {
		status.SetZero()
	}
	return obj, s.Tracker().Create(a.GetResource(), obj, a.GetNamespace())
}

func (s *server) update(resource schema.GroupVersionResource, subresource string, obj runtime.Object) (runtime.Object, error) {
	obj = wire(obj)
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	stored, err := s.Tracker().Get(resource, m.GetNamespace(), m.GetName())
	if err != nil {
		return nil, err
	}
	old, err := meta.Accessor(stored)
	if err != nil {
		return nil, err
	}
	if r := m.GetResourceVersion(); r != "" && r != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(resource.GroupResource(), m.GetName(), fmt.Errorf("it is at revision %s", old.GetResourceVersion()))
	}
	controllers := slices.DeleteFunc(slices.Clone(m.GetOwnerReferences()), func(o metav1.OwnerReference) bool { return o.Controller == nil || !*o.Controller })
	if len(controllers) > 1 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: resource.Group, Kind: resource.Resource}, m.GetName(), nil)
	}
	m.SetCreationTimestamp(old.GetCreationTimestamp())
	m.SetUID(old.GetUID())
	if subresource == "status" {
		field(obj, "Spec").Set(field(stored, "Spec"))
		m.SetLabels(old.GetLabels()) // its annotations may be written with the status: a Deployment's revision is
		m.SetGeneration(old.GetGeneration())
	} else {
		legacyscheme.Scheme.Default(obj)
		if status := field(obj, "Status"); status.IsValid() {
			status.Set(field(stored, "Status"))
		}
		m.SetGeneration(old.GetGeneration())
		if asksForMore(obj, stored) {
			m.SetGeneration(old.GetGeneration() + 1)
		}
	}
	m.SetResourceVersion(old.GetResourceVersion())
	if equality.Semantic.DeepEqual(obj, stored) {
		return stored, nil
	}
	s.stamp(m)
	return obj, s.Tracker().Update(resource, obj, m.GetNamespace())
}

// asksForMore reports whether the generation is another: the spec has changed, or anything of an EndpointSlice.
func asksForMore(obj, stored runtime.Object) bool {
	if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
		old := stored.(*discoveryv1.EndpointSlice)
		return !equality.Semantic.DeepEqual(slice.Endpoints, old.Endpoints) || !equality.Semantic.DeepEqual(slice.Ports, old.Ports) ||
			!maps.Equal(slice.Labels, old.Labels)
	}
	spec := field(obj, "Spec")
	return spec.IsValid() && !equality.Semantic.DeepEqual(spec.Interface(), field(stored, "Spec").Interface())
}

func (s *server) patch(a clienttesting.PatchActionImpl) (runtime.Object, error) {
	stored, err := s.Tracker().Get(a.GetResource(), a.GetNamespace(), a.GetName())
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, a.GetPatch(), stored)
	if err != nil {
		return nil, err
	}
	obj := reflect.New(reflect.TypeOf(stored).Elem()).Interface().(runtime.Object)
	if err := json.Unmarshal(after, obj); err != nil {
		return nil, err
	}
	m, _ := meta.Accessor(obj)
	if old, _ := meta.Accessor(stored); m.GetUID() != old.GetUID() {
		return nil, apierrors.NewConflict(a.GetResource().GroupResource(), a.GetName(), fmt.Errorf("its UID is %s", old.GetUID()))
	}
	return s.update(a.GetResource(), a.GetSubresource(), obj)
}

// delete leaves a pod on a node until its kubelet has ended it.
func (s *server) delete(a clienttesting.DeleteActionImpl) error {
	stored, err := s.Tracker().Get(a.GetResource(), a.GetNamespace(), a.GetName())
	if err != nil {
		return err
	}
	options := a.DeleteOptions
	m, _ := meta.Accessor(stored)
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != m.GetUID() {
		return apierrors.NewConflict(a.GetResource().GroupResource(), a.GetName(), fmt.Errorf("its UID is %s", m.GetUID()))
	}
	at := options.GracePeriodSeconds
	if pod, ok := stored.(*corev1.Pod); ok && pod.Spec.NodeName != "" && (at == nil || *at > 0) && !ended(pod) {
		if pod.DeletionTimestamp != nil {
			return nil
		}
		pod = pod.DeepCopy()
		ends := metav1.NewTime(metav1.Now().Rfc3339Copy().Add(30 * time.Second))
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &ends, new(int64(30))
		s.stamp(pod)
		return s.Tracker().Update(a.GetResource(), pod, a.GetNamespace())
	}
	// A deletion has a revision, too. The tracker tells it with that of the last write.
	s.stamp(m)
	if err := s.Tracker().Update(a.GetResource(), stored, a.GetNamespace()); err != nil {
		return err
	}
	return s.Tracker().Delete(a.GetResource(), a.GetNamespace(), a.GetName())
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// age is what is added to a pod's, for no two to be of the same: so one of them is always the first to go.
func age(name string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(name))
	return time.Duration(h.Sum32()%10000) * time.Second
}

func (s *server) stamp(m metav1.Object) {
	s.revision++
	m.SetResourceVersion(strconv.FormatInt(1000+s.revision, 10))
}

func (s *server) next(name string) int {
	s.names[name]++
	return s.names[name]
}

// wire is the object as it is after its way over the wire, which controllers speak protobuf on: its times are in seconds, and what is
// empty is nothing.
func wire(obj runtime.Object) runtime.Object {
	out := reflect.New(reflect.TypeOf(obj).Elem()).Interface().(runtime.Object)
	data, err := obj.(interface{ Marshal() ([]byte, error) }).Marshal()
	must(err)
	must(out.(interface{ Unmarshal([]byte) error }).Unmarshal(data))
	return out
}

func field(obj runtime.Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
