package fields

import (
	"fmt"
	"hash/maphash"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

// Objects that the library gives the same set of fields have one shape, and those that it gives different sets have
// different ones: checked against the library itself.
func TestShapesTellFieldSetsApart(t *testing.T) {
	fields := New(clientscheme.Scheme)
	var pods *resources.Resource
	for _, row := range builtin.All() {
		if row.Plural == "pods" {
			pods = row
		}
	}
	base := func(change func(*corev1.Pod)) *corev1.Pod {
		pod := backend(1)
		pod.APIVersion, pod.Kind, pod.UID = "v1", "Pod", "uid"
		change(pod)
		return pod
	}
	variants := map[string]func(*corev1.Pod){
		"as it is":             func(*corev1.Pod) {},
		"another name":         func(p *corev1.Pod) { p.Name, p.UID = "other", types.UID("u") },
		"another label value":  func(p *corev1.Pod) { p.Labels["app"] = "other" },
		"another label":        func(p *corev1.Pod) { p.Labels["new"] = "x" },
		"one label less":       func(p *corev1.Pod) { delete(p.Labels, "tier") },
		"another container":    func(p *corev1.Pod) { p.Spec.Containers[0].Name = "other" },
		"another port":         func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = 81 },
		"another env variable": func(p *corev1.Pod) { p.Spec.Containers[0].Env[0].Name = "OTHER" },
		"a node":               func(p *corev1.Pod) { p.Spec.NodeName = "node-1" },
		"an owner":             func(p *corev1.Pod) { p.OwnerReferences = append(p.OwnerReferences, owner("a")) },
		"another owner":        func(p *corev1.Pod) { p.OwnerReferences = append(p.OwnerReferences, owner("b")) },
	}
	sets, shapes := map[string]string{}, map[string]uint64{}
	seed := maphash.MakeSeed()
	for name, change := range variants {
		pod := base(change)
		shape := newShaper(seed)
		shape.add(reflect.ValueOf(pod), false)
		shapes[name] = shape.sum()
		require.NoError(t, fields.Update(pods, pods.Kind, "", pods.New(), pod, "test"))
		sets[name] = pod.ManagedFields[0].FieldsV1.GetRawString()
	}
	for a := range variants {
		for b := range variants {
			if sets[a] != sets[b] {
				require.NotEqual(t, shapes[a], shapes[b], "%q and %q have different fields and one shape", a, b)
			}
		}
	}
	require.Equal(t, shapes["as it is"], shapes["another name"])
	require.Equal(t, shapes["as it is"], shapes["another label value"])
}

// What is remembered of a shape is what the library says.
func TestRememberedFieldsAreTheLibrarys(t *testing.T) {
	var pods *resources.Resource
	for _, row := range builtin.All() {
		if row.Plural == "pods" {
			pods = row
		}
	}
	now := time.Now()
	first, second, fresh := backend(1), backend(2), backend(2)
	remembering := New(clientscheme.Scheme)
	require.NoError(t, remembering.Create(pods, pods.Kind, first, "test", now))
	require.NoError(t, remembering.Create(pods, pods.Kind, second, "test", now))
	require.Len(t, remembering.made, 1)
	require.NoError(t, New(clientscheme.Scheme).Create(pods, pods.Kind, fresh, "test", now))
	second.ManagedFields[0].Time, fresh.ManagedFields[0].Time = nil, nil
	require.Equal(t, fresh.ManagedFields, second.ManagedFields)
}

// backend is a pod with one of each that a shape may be about.
func backend(n int64) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("pod-%08d", n), Labels: map[string]string{"app": "bench", "tier": "backend"},
			Annotations: map[string]string{"example.com/description": "x"},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "backend", Command: []string{"/backend", "--listen=:8080"},
			Env:   []corev1.EnvVar{{Name: "LEVEL", Value: "info"}, {Name: "REGION", Value: "eu-1"}},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi")}},
		}}},
	}
}

func owner(uid types.UID) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: uid}
}
