package apiserver

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// Which metadata a write of a subresource takes over is each kind's to say: most take all of it.
func TestWritesOfSubresourcesTakeMetadata(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	all := []string{"annotations", "finalizers", "labels", "ownerReferences"}
	for _, c := range []struct {
		group, version, plural, subresource string
		object                              string
		takes                               []string
	}{
		{"", "v1", "pods", "status", `{kind: Pod, spec: {containers: [{name: a, image: a}]}}`, []string{"annotations", "finalizers", "labels"}},
		{"", "v1", "pods", "ephemeralcontainers", `{kind: Pod, spec: {containers: [{name: a, image: a}]}}`, nil},
		{"", "v1", "pods", "resize", `{kind: Pod, spec: {containers: [{name: a, image: a}]}}`, nil},
		{"", "v1", "services", "status", `{kind: Service, spec: {ports: [{port: 80}]}}`, all},
		{"", "v1", "namespaces", "status", `{kind: Namespace}`, all},
		{"", "v1", "namespaces", "finalize", `{kind: Namespace}`, all},
		{"", "v1", "nodes", "status", `{kind: Node}`, all},
		{"apps", "v1", "deployments", "status", `{kind: Deployment, spec: {selector: {matchLabels: {a: b}},
			template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}}`, []string{"annotations", "finalizers", "ownerReferences"}},
		{"apps", "v1", "replicasets", "status", `{kind: ReplicaSet, spec: {selector: {matchLabels: {a: b}},
			template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}}`, all},
		{"networking.k8s.io", "v1", "servicecidrs", "status", `{kind: ServiceCIDR, spec: {cidrs: [10.9.0.0/24]}}`, nil},
		{"policy", "v1", "poddisruptionbudgets", "status", `{kind: PodDisruptionBudget, spec: {maxUnavailable: 1}}`, all},
	} {
		t.Run(c.plural+" "+c.subresource, func(t *testing.T) {
			of := schema.GroupVersionResource{Group: c.group, Version: c.version, Resource: c.plural}
			wanted := &unstructured.Unstructured{}
			require.NoError(t, yaml.Unmarshal([]byte(c.object), &wanted.Object))
			wanted.SetAPIVersion(of.GroupVersion().String())
			wanted.SetGenerateName("x-")
			objects := dynamic.ResourceInterface(client.Resource(of).Namespace("shop"))
			if clusterScoped := []string{"namespaces", "nodes", "servicecidrs"}; slices.Contains(clusterScoped, c.plural) {
				objects = client.Resource(of)
			}
			obj, err := objects.Create(t.Context(), wanted, metav1.CreateOptions{})
			require.NoError(t, err)

			was := parts(t, obj)
			labels := obj.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels["new"] = "label"
			obj.SetLabels(labels)
			obj.SetAnnotations(map[string]string{"new": "annotation"})
			obj.SetFinalizers([]string{"example.com/new"})
			obj.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "new", UID: "1"}})
			obj.SetGeneration(77)
			asked := parts(t, obj)
			_, err = objects.Update(t.Context(), obj, metav1.UpdateOptions{}, c.subresource)
			require.NoError(t, err)
			obj, err = objects.Get(t.Context(), obj.GetName(), metav1.GetOptions{})
			require.NoError(t, err)
			now := parts(t, obj)
			for _, name := range slices.Sorted(maps.Keys(asked)) {
				if slices.Contains(c.takes, name) {
					require.Equal(t, asked[name], now[name], name)
				} else {
					require.Equal(t, was[name], now[name], name)
				}
			}
		})
	}
}

// parts are the pieces of an object's metadata that are its owners' to write, and its generation, which is not.
func parts(t *testing.T, obj *unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for name, value := range map[string]any{
		"labels": obj.GetLabels(), "annotations": obj.GetAnnotations(), "finalizers": obj.GetFinalizers(),
		"ownerReferences": obj.GetOwnerReferences(), "generation": obj.GetGeneration(),
	} {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		out[name] = string(text)
	}
	return out
}

// A condition whose writer does not know of observed generations keeps the one that it had.
func TestConditionsKeepTheirObservedGeneration(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	pod, err := pods.Create(t.Context(), podOf("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	pod.Status.ObservedGeneration = 1
	pod.Status.Conditions = []corev1.PodCondition{{Type: "a", Status: "True", ObservedGeneration: 1}, {Type: "b", Status: "True"}}
	pod, err = pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	pod.Status.ObservedGeneration = 0
	pod.Status.Conditions[0].ObservedGeneration = 0
	pod, err = pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, int64(1), pod.Status.ObservedGeneration)
	require.Equal(t, int64(1), pod.Status.Conditions[0].ObservedGeneration)
	require.Zero(t, pod.Status.Conditions[1].ObservedGeneration)
}

func podOf(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
}

// Who makes an object owns what it has said and what the kind's defaults add, and nothing of what the server decides.
func TestCreatorsOwnWhatTheyHaveSaid(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	owned := func(obj metav1.Object, err error) string {
		require.NoError(t, err)
		require.Len(t, obj.GetManagedFields(), 1)
		return string(obj.GetManagedFields()[0].FieldsV1.Raw)
	}
	o := metav1.CreateOptions{}
	pod := owned(ts.client.CoreV1().Pods("shop").Create(t.Context(), podOf("a"), o))
	require.Contains(t, pod, "f:restartPolicy", "a default")
	for _, decided := range []string{"f:priority", "f:preemptionPolicy", "f:tolerations", "f:serviceAccountName", "f:status"} {
		require.NotContains(t, pod, decided)
	}
	service := owned(ts.client.CoreV1().Services("shop").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
	}, o))
	require.Contains(t, service, "f:sessionAffinity", "a default")
	for _, decided := range []string{"f:clusterIP", "f:clusterIPs", "f:nodePort", "f:ipFamilies", "f:ipFamilyPolicy"} {
		require.NotContains(t, service, decided)
	}
	job := owned(ts.client.BatchV1().Jobs("shop").Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: "Never",
			Containers: []corev1.Container{{Name: "a", Image: "a"}}}}},
	}, o))
	require.NotContains(t, job, "f:selector")
	require.NotContains(t, job, "controller-uid")
	namespace, err := ts.client.CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotContains(t, owned(namespace, nil), "f:finalizers")

	bound, err := ts.client.CoreV1().Pods("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, ts.client.CoreV1().Pods("shop").Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, Target: corev1.ObjectReference{Kind: "Node", Name: "node-1"}}, o))
	after, err := ts.client.CoreV1().Pods("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, bound.ManagedFields, after.ManagedFields, "a binding owns nothing")

	again := podOf("a")
	again.Spec.NodeName, again.Spec.ServiceAccountName = "node-1", "default"
	again.Labels = map[string]string{"new": "label"}
	after, err = ts.client.CoreV1().Pods("shop").Update(t.Context(), again, metav1.UpdateOptions{})
	require.NoError(t, err, "what was decided about a pod stays where its manifest says nothing")
	require.Zero(t, *after.Spec.Priority)
	require.Len(t, after.Spec.Tolerations, 2)
}
