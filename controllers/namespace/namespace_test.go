package namespace

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/deletable"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The conditions are upstream's, word for word; `kubectl describe namespace` shows them.
func TestPlanNamespace(t *testing.T) {
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	fine := []string{
		"NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered",
		"NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed",
		"NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization",
		"NamespaceContentRemaining=False ContentRemoved: All content successfully removed",
		"NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished",
	}
	for _, c := range []struct {
		name       string
		contents   []namespaceContent
		discovered error
		finalize   bool
		reason     string
		differ     []string // the conditions that are not fine
	}{
		{"nothing is left, so the namespace goes",
			[]namespaceContent{{Resource: pods}, {Resource: deployments}}, nil, true,
			"0 objects remain in namespace shop, 0 resources could not be deleted", nil},
		{"pods still end",
			[]namespaceContent{{Resource: pods, Remaining: 3}}, nil, false,
			"3 objects remain in namespace shop, 0 resources could not be deleted: 3 pods",
			[]string{"NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: " +
				"pods. has 3 resource instances"}},
		{"a finalizer holds two objects",
			[]namespaceContent{{Resource: deployments, Remaining: 2, Finalizers: map[string]int{"example.com/x": 2}}}, nil, false,
			"2 objects remain in namespace shop, 0 resources could not be deleted: 2 deployments.apps",
			[]string{"NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: " +
				"deployments.apps has 2 resource instances",
				"NamespaceFinalizersRemaining=True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: " +
					"example.com/x in 2 resource instances"}},
		{"a deletion is refused",
			[]namespaceContent{{Resource: deployments, Err: errors.New("deployments.apps: no")}}, nil, false,
			"0 objects remain in namespace shop, 1 resources could not be deleted",
			[]string{"NamespaceDeletionContentFailure=True ContentDeletionFailed: Failed to delete all resource types, " +
				"1 remaining: deployments.apps: no"}},
		{"a group does not answer: what it holds is unknown, so the namespace stays",
			nil, deletable.DiscoveryError{Err: &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{
				{Group: "metrics.k8s.io", Version: "v1"}: errors.New("down")}}}, false,
			"0 objects remain in namespace shop, 0 resources could not be deleted, and discovery failed",
			[]string{"NamespaceDeletionDiscoveryFailure=True DiscoveryFailed: Discovery failed for some groups, 1 failing: " +
				"unable to retrieve the complete list of server APIs: metrics.k8s.io/v1: down"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := planNamespace(controllertest.EndingNamespace(), c.contents, c.discovered, controllertest.Noon)
			require.Equal(t, c.reason, plan.Reason)
			require.Equal(t, c.finalize, plan.Finalize != nil)
			require.Equal(t, c.finalize, plan.After == 0)
			if c.finalize {
				require.Empty(t, plan.Finalize.Spec.Finalizers)
			}
			var differ []string
			for _, condition := range plan.Status.Status.Conditions {
				s := fmt.Sprintf("%s=%s %s: %s", condition.Type, condition.Status, condition.Reason, condition.Message)
				if !slices.Contains(fine, s) {
					differ = append(differ, s)
				}
			}
			require.Len(t, plan.Status.Status.Conditions, 5)
			require.Equal(t, c.differ, differ)
			again := planNamespace(plan.Status, c.contents, c.discovered, controllertest.Noon.Add(1))
			require.Nil(t, again.Status, "what is written already is not written again")
		})
	}
}

// A namespace with two pods and two Secrets: it becomes Terminating, the pods go before any Secret does, and only then is
// it finalized.
func TestNamespaceIsEmptiedPodsFirst(t *testing.T) {
	scheme := metadatafake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	meta := metadatafake.NewSimpleMetadataClient(scheme, controllertest.SecretMeta("a"), controllertest.SecretMeta("b"), controllertest.PodMeta("c"), controllertest.PodMeta("d"))
	var mu sync.Mutex
	var story []string
	tell := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		story = append(story, s)
	}
	meta.PrependReactor("delete", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		tell("delete " + a.GetResource().Resource)
		return false, nil, nil
	})
	namespace := controllertest.EndingNamespace()
	namespace.Status.Phase = corev1.NamespaceActive
	client, clock := controllertest.Start(t, []loop.Row{{Name: "namespace-controller", Workers: 1, New: func(e loop.Env) (loop.Controller, error) {
		client := e.Client.(*fake.Clientset)
		client.Resources = controllertest.ServedSecretsAndPods()
		client.PrependReactor("create", "namespaces", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if a.GetSubresource() != "finalize" {
				return false, nil, nil
			}
			tell("finalize")
			return true, nil, client.Tracker().Delete(a.GetResource(), "", "shop")
		})
		return newNamespaceControllerFor(e, meta), nil
	}}}, namespace)
	controllertest.Eventually(t, func() bool {
		clock.Step(retryPods)
		_, err := client.CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "the namespace goes")
	mu.Lock()
	defer mu.Unlock()
	for len(story) > 5 && story[len(story)-1] == "finalize" { // again, where its end was not seen yet: it does no harm
		story = story[:len(story)-1]
	}
	require.Equal(t, []string{"delete pods", "delete pods", "delete secrets", "delete secrets", "finalize"}, story)
}

// An object that something holds keeps the namespace, and the conditions say what.
func TestNamespaceWaitsForFinalizers(t *testing.T) {
	scheme := metadatafake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	held := controllertest.SecretMeta("held")
	held.Finalizers = []string{"example.com/x"}
	held.DeletionTimestamp = &metav1.Time{Time: controllertest.Noon}
	meta := metadatafake.NewSimpleMetadataClient(scheme, held)
	client, _ := controllertest.Start(t, []loop.Row{{Name: "namespace-controller", Workers: 1, New: func(e loop.Env) (loop.Controller, error) {
		e.Client.(*fake.Clientset).Resources = controllertest.ServedSecretsAndPods()
		return newNamespaceControllerFor(e, meta), nil
	}}}, controllertest.EndingNamespace())
	controllertest.Eventually(t, func() bool {
		namespace, err := client.CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{})
		require.NoError(t, err)
		return slices.ContainsFunc(namespace.Status.Conditions, func(c corev1.NamespaceCondition) bool {
			return c.Type == corev1.NamespaceFinalizersRemaining && c.Status == corev1.ConditionTrue
		})
	}, "the condition says that a finalizer remains")
}
