package clients

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"minik.dev/cluster/clustertest"
)

// patience is for machines that are very busy.
const patience = time.Minute

// The client: typed, untyped and metadata alone; every kind of patch; subresources; many at once.
func TestControllerRuntimeClient(t *testing.T) {
	t.Parallel()
	c, err := client.New(clustertest.Start(t), client.Options{})
	require.NoError(t, err)
	ctx := t.Context()
	app := map[string]string{"app": "web"}
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Labels: app},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1),
			Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: app},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}},
			},
		},
	}
	require.NoError(t, c.Create(ctx, web.DeepCopy(), client.DryRunAll))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(web), &appsv1.Deployment{})))
	require.NoError(t, c.Create(ctx, web))

	require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error { // the controller writes it, too
		scale := &autoscalingv1.Scale{}
		require.NoError(t, c.SubResource("scale").Get(ctx, web, scale))
		scale.Spec.Replicas = 2
		return c.SubResource("scale").Update(ctx, web, client.WithSubResourceBody(scale))
	}))
	require.Eventually(t, func() bool {
		require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(web), web))
		return web.Status.AvailableReplicas == 2
	}, patience, 10*time.Millisecond)

	before := web.DeepCopy()
	web.Annotations = map[string]string{"note": "patched"}
	require.NoError(t, c.Patch(ctx, web, client.MergeFrom(before)))
	stale := before.DeepCopy()
	stale.Annotations = map[string]string{"note": "too late"}
	err = c.Patch(ctx, stale, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	require.True(t, apierrors.IsConflict(err), "%v", err)
	before = web.DeepCopy()
	web.Spec.Template.Spec.Containers[0].Image = "nginx:2"
	require.NoError(t, c.Patch(ctx, web, client.StrategicMergeFrom(before)))
	require.Equal(t, "nginx:2", web.Spec.Template.Spec.Containers[0].Image)
	before = web.DeepCopy()
	web.Status.Conditions = append(web.Status.Conditions,
		appsv1.DeploymentCondition{Type: "Tested", Status: corev1.ConditionTrue})
	require.NoError(t, c.Status().Patch(ctx, web, client.MergeFrom(before)))

	own := applycorev1.ConfigMap("applied", "default").WithData(map[string]string{"k": "v"})
	require.NoError(t, c.Apply(ctx, own, client.FieldOwner("test")))
	other := applycorev1.ConfigMap("applied", "default").WithData(map[string]string{"k": "w"})
	err = c.Apply(ctx, other, client.FieldOwner("other"))
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.NoError(t, c.Apply(ctx, other, client.FieldOwner("other"), client.ForceOwnership))

	meta := &metav1.PartialObjectMetadataList{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	require.NoError(t, c.List(ctx, meta, client.InNamespace("default"), client.MatchingLabels(app)))
	require.NotEmpty(t, meta.Items)
	pods := &unstructured.UnstructuredList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	require.NoError(t, c.List(ctx, pods, client.InNamespace("default"), client.MatchingFields{"spec.nodeName": "node-1"}))
	require.NotEmpty(t, pods.Items)
	require.NoError(t, c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("default"),
		client.MatchingFields{"metadata.name": "applied"}))
	require.NoError(t, c.Delete(ctx, web, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	require.Eventually(t, func() bool {
		return apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(web), web))
	}, patience, 10*time.Millisecond)
}

// The cache: only what it is told to hold, by an index of its own, as typed objects and as metadata alone; and it follows.
func TestControllerRuntimeCache(t *testing.T) {
	t.Parallel()
	config := clustertest.Start(t)
	c, err := client.New(config, client.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	held, err := cache.New(config, cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.ConfigMap{}: {Label: labels.SelectorFromSet(labels.Set{"tier": "front"})},
	}})
	require.NoError(t, err)
	require.NoError(t, held.IndexField(ctx, &corev1.ConfigMap{}, "data.k", func(o client.Object) []string {
		return []string{o.(*corev1.ConfigMap).Data["k"]}
	}))
	ended := make(chan error, 1)
	go func() { ended <- held.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	require.True(t, held.WaitForCacheSync(ctx))
	for name, tier := range map[string]string{"a": "front", "b": "front", "c": "back"} {
		m := &corev1.ConfigMap{Data: map[string]string{"k": name}}
		m.Namespace, m.Name, m.Labels = "default", name, map[string]string{"tier": tier}
		require.NoError(t, c.Create(ctx, m))
	}
	names := func(options ...client.ListOption) string {
		list, all := &corev1.ConfigMapList{}, ""
		require.NoError(t, held.List(ctx, list, append(options, client.InNamespace("default"))...))
		slices.SortFunc(list.Items, func(a, b corev1.ConfigMap) int { return strings.Compare(a.Name, b.Name) })
		for _, m := range list.Items {
			all += m.Name
		}
		return all
	}
	require.Eventually(t, func() bool { return names() == "ab" }, patience, 10*time.Millisecond)
	require.Equal(t, "b", names(client.MatchingFields{"data.k": "b"}))
	require.Empty(t, names(client.MatchingFields{"data.k": "c"}))
	gone := &corev1.ConfigMap{}
	gone.Namespace, gone.Name = "default", "a"
	require.NoError(t, c.Delete(ctx, gone))
	require.Eventually(t, func() bool { return names() == "b" }, patience, 10*time.Millisecond)
	node := &metav1.PartialObjectMetadata{}
	node.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	require.NoError(t, held.Get(ctx, client.ObjectKey{Name: "node-1"}, node))
	require.NotEmpty(t, node.Labels)
}

// A small operator: for each ConfigMap with the label it keeps a Secret with the same data, whatever happens to the Secret.
func TestControllerRuntimeManager(t *testing.T) {
	t.Parallel()
	config := clustertest.Start(t)
	startOperator(t, config)
	c, err := client.New(config, client.Options{})
	require.NoError(t, err)
	ctx := t.Context()
	original := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a", Labels: map[string]string{"mirror": "yes"}},
		Data:       map[string]string{"k": "v"},
	}
	require.NoError(t, c.Create(ctx, original))
	require.NoError(t, c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "b"}}))
	key := client.ObjectKeyFromObject(original)
	mirrored := func(value string) func() bool {
		return func() bool {
			var secret corev1.Secret
			err := c.Get(ctx, key, &secret)
			if !apierrors.IsNotFound(err) {
				require.NoError(t, err)
			}
			return string(secret.Data["k"]) == value
		}
	}
	require.Eventually(t, mirrored("v"), patience, 10*time.Millisecond)
	before := original.DeepCopy()
	original.Data["k"] = "w"
	require.NoError(t, c.Patch(ctx, original, client.MergeFrom(before)))
	require.Eventually(t, mirrored("w"), patience, 10*time.Millisecond)
	require.NoError(t, c.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}))
	require.Eventually(t, mirrored("w"), patience, 10*time.Millisecond, "made anew")

	// The finalizer lets the operator do the last thing: it says so in another object, and then the garbage collector takes
	// the secret.
	require.NoError(t, c.Delete(ctx, original))
	require.Eventually(t, func() bool {
		return apierrors.IsNotFound(c.Get(ctx, key, &corev1.Secret{})) &&
			apierrors.IsNotFound(c.Get(ctx, key, &corev1.ConfigMap{}))
	}, patience, 10*time.Millisecond)
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "farewell-a"}, &corev1.ConfigMap{}))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "b"}, &corev1.Secret{})))
}

const finalizer = "test.minik.dev/farewell"

// operator is the reconciler. It reads from the manager's cache.
type operator struct{ client.Client }

// startOperator runs a manager that leads, with the operator in it, until the test ends.
func startOperator(t *testing.T, config *rest.Config) {
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme.Scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{"default": {}},
		},
		LeaderElection: true, LeaderElectionReleaseOnCancel: true,
		LeaderElectionID: "operator", LeaderElectionNamespace: "default",
	})
	require.NoError(t, err)
	require.NoError(t, ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).
		Complete(&operator{manager.GetClient()}))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	select {
	case <-manager.Elected():
	case <-time.After(patience):
		t.Fatal("the operator does not lead")
	}
	require.True(t, manager.GetCache().WaitForCacheSync(t.Context()))
}

func (o *operator) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var original corev1.ConfigMap
	if err := o.Get(ctx, request.NamespacedName, &original); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if original.Labels["mirror"] != "yes" {
		return ctrl.Result{}, nil
	}
	if !original.DeletionTimestamp.IsZero() {
		farewell := &corev1.ConfigMap{}
		farewell.Namespace, farewell.Name = original.Namespace, "farewell-"+original.Name
		if err := o.Create(ctx, farewell); err != nil && !apierrors.IsAlreadyExists(err) {
			return ctrl.Result{}, err
		}
		if controllerutil.RemoveFinalizer(&original, finalizer) {
			return ctrl.Result{}, client.IgnoreNotFound(o.Update(ctx, &original))
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&original, finalizer) {
		return ctrl.Result{}, o.Update(ctx, &original) // its event brings us back
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: original.Namespace, Name: original.Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, o.Client, secret, func() error {
		secret.Data = map[string][]byte{}
		for key, value := range original.Data {
			secret.Data[key] = []byte(value)
		}
		return controllerutil.SetControllerReference(&original, secret, o.Scheme())
	})
	return ctrl.Result{}, err
}
