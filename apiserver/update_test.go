package apiserver

import (
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
)

func (ts *testServer) deployment(t testing.TB, name string) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	made, err := ts.client.AppsV1().Deployments("shop").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](1), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod(name).Spec},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

// The status is written by its subresource alone, and the subresource writes nothing else (Kubernetes API Conventions, "Spec and Status").
func TestStatusAndSpecAreApart(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	deployments := ts.client.AppsV1().Deployments("shop")
	d := ts.deployment(t, "web")
	d.Spec.Replicas, d.Status.Replicas = ptr.To[int32](5), 5
	updated, err := deployments.Update(t.Context(), d, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 5, *updated.Spec.Replicas)
	require.Zero(t, updated.Status.Replicas)
	require.EqualValues(t, 2, updated.Generation)

	updated.Spec.Replicas, updated.Status.Replicas, updated.Labels = ptr.To[int32](9), 3, map[string]string{"new": "label"}
	reported, err := deployments.UpdateStatus(t.Context(), updated, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 5, *reported.Spec.Replicas)
	require.EqualValues(t, 3, reported.Status.Replicas)
	require.Empty(t, reported.Labels)
	require.EqualValues(t, 2, reported.Generation)

	labelled, err := deployments.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, labelled.Generation, "metadata is not the spec")
	require.EqualValues(t, 3, labelled.Status.Replicas)
}

func TestPreconditionsOfUpdates(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	first := ts.configMap(t, "shop", "a", "k", "1")
	first.Data["k"] = "2"
	second, err := maps.Update(t.Context(), first, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = maps.Update(t.Context(), first, metav1.UpdateOptions{})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.EqualError(t, err, `Operation cannot be fulfilled on configmaps "a": the object has been modified; `+
		`please apply your changes to the latest version and try again`)

	other := second.DeepCopy()
	other.UID = "another"
	_, err = maps.Update(t.Context(), other, metav1.UpdateOptions{})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "Precondition failed: UID in precondition: another")

	free := configMap("a", "k", "3") // neither: whoever writes last wins
	third, err := maps.Update(t.Context(), free, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, second.UID, third.UID)
	require.Equal(t, second.CreationTimestamp, third.CreationTimestamp)
	_, err = maps.Update(t.Context(), configMap("none"), metav1.UpdateOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// What changes nothing writes nothing: no revision, no event, no entry in the journal.
func TestAnUpdateThatChangesNothing(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	made := ts.configMap(t, "shop", "a", "k", "1")
	w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: made.ResourceVersion})
	same, err := maps.Update(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, made, same)
	same, err = maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"data":{"k":"1"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, made, same)
	ts.configMap(t, "shop", "b")
	require.Equal(t, "ADDED b", told(t, w))
}

func TestScale(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	deployments := ts.client.AppsV1().Deployments("shop")
	ts.deployment(t, "web")
	scale, err := deployments.GetScale(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "app=web", scale.Status.Selector)
	old := scale.DeepCopy()
	scale.Spec.Replicas = 4
	scale, err = deployments.UpdateScale(t.Context(), "web", scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 4, scale.Spec.Replicas)
	d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 4, *d.Spec.Replicas)
	require.EqualValues(t, 2, d.Generation)
	require.Equal(t, d.ResourceVersion, scale.ResourceVersion)
	old.Spec.Replicas = 5
	_, err = deployments.UpdateScale(t.Context(), "web", old, metav1.UpdateOptions{})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	_, err = deployments.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"replicas":6}}`), metav1.PatchOptions{}, "scale")
	require.NoError(t, err)
	_, err = deployments.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"replicas":-1}}`), metav1.PatchOptions{}, "scale")
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	d, err = deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 6, *d.Spec.Replicas)
}

// Of several schedulers one binds the pod; the others get a conflict.
func TestAPodIsBoundOnce(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	_, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	results := make(chan error, 8)
	var wait sync.WaitGroup
	for i := range cap(results) {
		wait.Go(func() {
			results <- pods.Bind(t.Context(), &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{"by": string(rune('a' + i))}},
				Target:     corev1.ObjectReference{Kind: "Node", Name: "node-" + string(rune('a'+i))},
			}, metav1.CreateOptions{})
		})
	}
	wait.Wait()
	close(results)
	bound := 0
	for err := range results {
		if err == nil {
			bound++
			continue
		}
		require.True(t, apierrors.IsConflict(err), "%v", err)
		require.ErrorContains(t, err, "pod a is already assigned to node")
	}
	require.Equal(t, 1, bound)
	a, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "node-"+a.Annotations["by"], a.Spec.NodeName)
}

func TestEviction(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	evict := func(name string, o *metav1.DeleteOptions) error {
		return ts.client.PolicyV1().Evictions("shop").Evict(t.Context(), &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}, DeleteOptions: o,
		})
	}
	require.True(t, apierrors.IsNotFound(evict("a", nil)))
	made, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	err = evict("a", &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("another")})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	err = evict("a", &metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletionPropagation("Sideways"))})
	require.True(t, apierrors.IsBadRequest(err) || apierrors.IsInvalid(err), "%v", err)
	err = evict("a", &metav1.DeleteOptions{DryRun: []string{"Some"}})
	require.True(t, apierrors.IsBadRequest(err) || apierrors.IsInvalid(err), "%v", err)
	require.NoError(t, evict("a", &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}))
	_, err = pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, evict("a", &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(made.UID))}))
	_, err = pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// That a change makes no difference, or can't be made, is said of the newest state only: here somebody writes while the
// change is being made of a state that is old by then.
func TestAnOldStateDecidesNothing(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a", "k", "1")
	overtaken := func(change func(*corev1.ConfigMap) error) (string, error) {
		r := ts.parse(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "PATCH",
			"/api/v1/namespaces/shop/configmaps/a", nil))
		first := true
		written, err := ts.mutate(r, "patch", func(current resources.Object) (resources.Object, bool, error) {
			m := current.DeepCopyObject().(*corev1.ConfigMap)
			if first {
				first = false
				_, err := ts.client.CoreV1().ConfigMaps("shop").Patch(t.Context(), "a", types.MergePatchType,
					[]byte(`{"data":{"k":"2"}}`), metav1.PatchOptions{})
				require.NoError(t, err)
			}
			return m, false, change(m)
		})
		if err != nil {
			return "", err
		}
		return written.Object.(*corev1.ConfigMap).Data["k"], nil
	}
	k, err := overtaken(func(m *corev1.ConfigMap) error {
		m.Data["k"] = "1" // as it is in the old state
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "1", k)
	got, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "1", got.Data["k"])
	k, err = overtaken(func(m *corev1.ConfigMap) error {
		if m.Data["k"] == "1" {
			return apierrors.NewBadRequest("not of 1")
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "2", k)
}

// Upstream makes an object of some kinds by an update of one that is not there; kubectl replace and auth reconcile use it.
func TestUpdateMakesWhatIsNotThere(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	roles := ts.client.RbacV1().Roles("shop")
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "reader", ResourceVersion: "1"},
		Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}
	made, err := roles.Update(t.Context(), role, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, made.UID)
	again, err := roles.Update(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, made.UID, again.UID)
	_, err = ts.client.CoreV1().ConfigMaps("shop").Update(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
		metav1.UpdateOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// An update of a Lease says of which revision it is; a patch need not (upstream's AllowUnconditionalUpdate).
func TestConditionalUpdates(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
	response, body := ts.call(t, "POST", path, `{"metadata":{"name":"a"}}`)
	require.Equal(t, 201, response.StatusCode, "%s", body)
	response, body = ts.call(t, "PUT", path+"/a", `{"metadata":{"name":"a"}}`)
	require.Equal(t, 422, response.StatusCode, "%s", body)
	require.Contains(t, status(t, body).Message, "metadata.resourceVersion: Invalid value: 0: must be specified for an update")
	response, body = ts.call(t, "PATCH", path+"/a", `{"metadata":{"labels":{"a":"b"}}}`, "Content-Type", string(types.MergePatchType))
	require.Equal(t, 200, response.StatusCode, "%s", body)
}
