package apiserver

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	memcached "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
)

// The tests of this file are for the ways in which client-go's users speak to a cluster; what a single answer holds is
// tested beside the verb.

// A typed client and its usual companion: read, change, write, and again where someone else was faster.
func TestTypedClientRetriesOnConflict(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.deployment(t, "web")
	deployments := ts.client.AppsV1().Deployments("shop")
	tries := 0
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		if tries++; tries == 1 { // someone else is faster
			_, err := deployments.Patch(t.Context(), "web", types.MergePatchType,
				[]byte(`{"metadata":{"labels":{"other":"was-here"}}}`), metav1.PatchOptions{})
			require.NoError(t, err)
		}
		d.Spec.Paused = true
		_, err = deployments.Update(t.Context(), d, metav1.UpdateOptions{})
		return err
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
	d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.True(t, d.Spec.Paused)
	require.Equal(t, "was-here", d.Labels["other"])
}

// A dynamic client knows no types: what it writes is what typed clients read, and the other way round.
func TestDynamicClient(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	maps := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("shop")
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"generateName": "a-"}, "data": map[string]any{"k": "v"},
	}}
	made, err := maps.Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(made.GetName(), "a-"))
	typed, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), made.GetName(), metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v"}, typed.Data)

	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: made.GetResourceVersion()})
	require.NoError(t, err)
	defer w.Stop()
	require.NoError(t, unstructured.SetNestedField(made.Object, "w", "data", "k"))
	changed, err := maps.Update(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	event := <-w.ResultChan()
	require.Equal(t, watch.Modified, event.Type)
	require.Equal(t, changed, event.Object)
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, []unstructured.Unstructured{*changed}, list.Items)
	require.NoError(t, maps.Delete(t.Context(), made.GetName(), metav1.DeleteOptions{}))
	_, err = maps.Get(t.Context(), made.GetName(), metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = client.Resource(schema.GroupVersionResource{Group: "none.dev", Version: "v1", Resource: "things"}).
		List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// Informers fill their caches, hear of every change, and share one watch for each kind.
func TestSharedInformers(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "before", "k", "v")
	untyped, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	typed := informers.NewSharedInformerFactoryWithOptions(ts.client, time.Hour, informers.WithNamespace("shop"))
	dynamically := dynamicinformer.NewFilteredDynamicSharedInformerFactory(untyped, time.Hour, "shop", nil)
	maps, others := typed.Core().V1().ConfigMaps(), dynamically.ForResource(corev1.SchemeGroupVersion.WithResource("configmaps"))
	heard := make(chan string, 10)
	for _, informer := range []cache.SharedIndexInformer{maps.Informer(), others.Informer()} {
		say := func(what string, obj any) {
			key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj)
			require.NoError(t, err)
			heard <- what + " " + key
		}
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(obj any, initial bool) {
				say(map[bool]string{true: "there is", false: "added"}[initial], obj)
			},
			UpdateFunc: func(_, obj any) { say("updated", obj) },
			DeleteFunc: func(obj any) { say("deleted", obj) },
		})
		require.NoError(t, err)
	}
	stop := make(chan struct{})
	typed.Start(stop)
	dynamically.Start(stop)
	defer typed.Shutdown()
	defer dynamically.Shutdown()
	defer close(stop)
	both := func(what string) {
		t.Helper()
		for range 2 {
			select {
			case is := <-heard:
				require.Equal(t, what, is)
			case <-time.After(watchPatience):
				t.Fatalf("nobody heard: %s", what)
			}
		}
	}
	both("there is shop/before")
	after := ts.configMap(t, "shop", "after")
	both("added shop/after")
	after.Labels = map[string]string{"tier": "front"}
	_, err = ts.client.CoreV1().ConfigMaps("shop").Update(t.Context(), after, metav1.UpdateOptions{})
	require.NoError(t, err)
	both("updated shop/after")
	found, err := maps.Lister().ConfigMaps("shop").List(labels.SelectorFromSet(after.Labels))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NoError(t, ts.client.CoreV1().ConfigMaps("shop").Delete(t.Context(), "after", metav1.DeleteOptions{}))
	both("deleted shop/after")
	object, err := others.Lister().ByNamespace("shop").Get("before")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"k": "v"}, object.(*unstructured.Unstructured).Object["data"])
}

// What discovery says leads from a short name or a kind to the resource, and from there to its scale.
func TestDiscoveryAndRESTMapper(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.deployment(t, "web")
	client, err := discovery.NewDiscoveryClientForConfig(ts.config)
	require.NoError(t, err)
	groups, lists, err := client.ServerGroupsAndResources()
	require.NoError(t, err)
	require.NotEmpty(t, groups)
	require.NotEmpty(t, lists)
	preferred, err := client.ServerPreferredNamespacedResources()
	require.NoError(t, err)
	require.Contains(t, resourcesOf(t, preferred), appsv1.SchemeGroupVersion.WithResource("deployments"))
	require.NotContains(t, resourcesOf(t, preferred), corev1.SchemeGroupVersion.WithResource("nodes"))

	cached := memcached.NewMemCacheClient(client)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	short := restmapper.NewShortcutExpander(mapper, cached, nil)
	for name, want := range map[string]schema.GroupVersionKind{
		"deploy": appsv1.SchemeGroupVersion.WithKind("Deployment"),
		"po":     corev1.SchemeGroupVersion.WithKind("Pod"),
		"node":   corev1.SchemeGroupVersion.WithKind("Node"),
	} {
		kind, err := short.KindFor(schema.GroupVersionResource{Resource: name})
		require.NoError(t, err)
		require.Equal(t, want, kind)
		mapping, err := mapper.RESTMapping(kind.GroupKind())
		require.NoError(t, err)
		require.Equal(t, kind, mapping.GroupVersionKind)
		require.Equal(t, name != "node", mapping.Scope.Name() == "namespace")
	}
	_, err = mapper.RESTMapping(schema.GroupKind{Group: "none.dev", Kind: "Thing"})
	require.Error(t, err)

	scales, err := scale.NewForConfig(ts.config, mapper, dynamic.LegacyAPIPathResolverFunc,
		scale.NewDiscoveryScaleKindResolver(client))
	require.NoError(t, err)
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	s, err := scales.Scales("shop").Get(t.Context(), deployments, "web", metav1.GetOptions{})
	require.NoError(t, err)
	s.Spec.Replicas = 4
	s, err = scales.Scales("shop").Update(t.Context(), deployments, s, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 4, s.Spec.Replicas)
}

// resourcesOf is the set of the resources that are listed.
func resourcesOf(t *testing.T, lists []*metav1.APIResourceList) map[schema.GroupVersionResource]struct{} {
	set, err := discovery.GroupVersionResources(lists)
	require.NoError(t, err)
	return set
}
