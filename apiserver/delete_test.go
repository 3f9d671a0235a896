package apiserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

func rowNamed(plural string) *resources.Resource {
	for _, row := range builtin.All() {
		if row.Plural == plural {
			return row
		}
	}
	panic("no row " + plural)
}

// What becomes of an object that is to be deleted: the whole decision, as a table. Times are seconds after noon.
func TestPlanDelete(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	orphan, foreground, background := metav1.DeletePropagationOrphan, metav1.DeletePropagationForeground, metav1.DeletePropagationBackground
	for _, c := range []struct {
		name    string
		row     string
		object  object
		options metav1.DeleteOptions
		want    string
	}{
		{"nothing keeps it", "configmaps", object{}, metav1.DeleteOptions{}, "gone: nothing keeps it"},
		{"a finalizer keeps it", "configmaps", object{finalizers: "a/b"}, metav1.DeleteOptions{},
			`at 0 within 0 [a/b]: finalizers keep it: ["a/b"]`},
		{"again, it is the same", "configmaps", object{finalizers: "a/b", at: ptr.To(-5)}, metav1.DeleteOptions{},
			`at -5 within 0 [a/b]: finalizers keep it: ["a/b"]`},
		{"orphan", "configmaps", object{}, metav1.DeleteOptions{PropagationPolicy: &orphan},
			`at 0 within 0 [orphan]: finalizers keep it: ["orphan"]`},
		{"foreground", "configmaps", object{finalizers: "a/b"}, metav1.DeleteOptions{PropagationPolicy: &foreground},
			`at 0 within 0 [a/b foregroundDeletion]: finalizers keep it: ["a/b" "foregroundDeletion"]`},
		{"foreground, then background", "configmaps", object{finalizers: "foregroundDeletion", at: ptr.To(-5)},
			metav1.DeleteOptions{PropagationPolicy: &background}, "gone: nothing keeps it"},
		{"foreground, then without a word", "configmaps", object{finalizers: "foregroundDeletion", at: ptr.To(-5)},
			metav1.DeleteOptions{}, `at -5 within 0 [foregroundDeletion]: finalizers keep it: ["foregroundDeletion"]`},
		{"the deprecated word for orphan", "configmaps", object{}, metav1.DeleteOptions{OrphanDependents: ptr.To(true)},
			`at 0 within 0 [orphan]: finalizers keep it: ["orphan"]`},
		{"the deprecated word for background", "replicationcontrollers", object{}, metav1.DeleteOptions{OrphanDependents: ptr.To(false)},
			"gone: nothing keeps it"},
		{"a kind that orphans by default", "replicationcontrollers", object{}, metav1.DeleteOptions{},
			`at 0 within 0 [orphan]: finalizers keep it: ["orphan"]`},
		{"a running pod has its time", "pods", object{node: "n"}, metav1.DeleteOptions{},
			"at 30 within 30 []: it has 30 s to end by itself"},
		{"a pod without a node has none", "pods", object{}, metav1.DeleteOptions{}, "gone: nothing keeps it"},
		{"a pod that ended needs none", "pods", object{node: "n", phase: corev1.PodSucceeded}, metav1.DeleteOptions{},
			"gone: nothing keeps it"},
		{"less time", "pods", object{node: "n"}, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](5)},
			"at 5 within 5 []: it has 5 s to end by itself"},
		{"by force", "pods", object{node: "n"}, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}, "gone: nothing keeps it"},
		{"by force, and a finalizer", "pods", object{node: "n", finalizers: "a/b"},
			metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}, `at 0 within 0 [a/b]: finalizers keep it: ["a/b"]`},
		{"less than is left", "pods", object{node: "n", at: ptr.To(20), grace: 30},
			metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](5)}, "at -5 within 5 []: it has 5 s to end by itself"},
		{"more than is left", "pods", object{node: "n", at: ptr.To(20), grace: 30},
			metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](60)}, "at 20 within 30 []: it is being deleted already, within 30 s"},
		{"as long as is left", "pods", object{node: "n", at: ptr.To(20), grace: 30}, metav1.DeleteOptions{},
			"at 20 within 30 []: it is being deleted already, within 30 s"},
		{"its kubelet says that it ended", "pods", object{node: "n", at: ptr.To(20), grace: 30},
			metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}, "gone: nothing keeps it"},
		{"a namespace is emptied first", "namespaces", object{}, metav1.DeleteOptions{},
			"at 0 within 0 []: its spec.finalizers keep it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := rowNamed(c.row)
			obj := c.object.of(row, noon)
			before := obj.DeepCopyObject()
			plan := planDelete(row, obj, &c.options, noon)
			require.Equal(t, before, obj, "planDelete is pure")
			got := "gone: " + plan.Reason
			if !plan.Now {
				got = fmt.Sprintf("at %v within %d %v: %s", plan.Next.GetDeletionTimestamp().Sub(noon).Seconds(),
					*plan.Next.GetDeletionGracePeriodSeconds(), plan.Next.GetFinalizers(), plan.Reason)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// object is what a scenario says of an object; at is when it is to be gone, in seconds after noon.
type object struct {
	finalizers string
	at         *int
	grace      int64
	node       string
	phase      corev1.PodPhase
}

func (o object) of(row *resources.Resource, noon time.Time) resources.Object {
	obj := row.New()
	obj.SetName("a")
	if o.finalizers != "" {
		obj.SetFinalizers(strings.Fields(o.finalizers))
	}
	if o.at != nil {
		obj.SetDeletionTimestamp(&metav1.Time{Time: noon.Add(time.Duration(*o.at) * time.Second)})
		obj.SetDeletionGracePeriodSeconds(&o.grace)
	}
	switch typed := obj.(type) {
	case *corev1.Pod:
		typed.Spec.NodeName, typed.Status.Phase = o.node, o.phase
		typed.Spec.TerminationGracePeriodSeconds = ptr.To[int64](30)
	case *corev1.Namespace:
		typed.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	}
	return obj
}

func TestFinalizersKeepAnObject(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	m := configMap("a")
	m.Finalizers = []string{"example.com/one", "example.com/two"}
	_, err := maps.Create(t.Context(), m, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	kept, err := maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotNil(t, kept.DeletionTimestamp)
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}), "again is no error, and no write")
	again, err := maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, kept, again)

	_, err = maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/three"]}}`), metav1.PatchOptions{})
	require.True(t, apierrors.IsInvalid(err), "no finalizer is added to what goes: %v", err)
	w := ts.watchMaps(t, metav1.ListOptions{ResourceVersion: again.ResourceVersion})
	for _, left := range []string{`["example.com/two"]`, `null`} {
		_, err = maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"metadata":{"finalizers":`+left+`}}`), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	require.Equal(t, "MODIFIED a", told(t, w))
	require.Equal(t, "DELETED a", told(t, w))
	_, err = maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestAPodEndsInItsOwnTime(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	_, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, pods.Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "a"}, Target: corev1.ObjectReference{Name: "node-1"},
	}, metav1.CreateOptions{}))
	require.NoError(t, pods.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	ending, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 30, *ending.DeletionGracePeriodSeconds)
	_, err = pods.UpdateStatus(t.Context(), ending, metav1.UpdateOptions{})
	require.NoError(t, err, "its kubelet goes on reporting")
	require.NoError(t, pods.Delete(t.Context(), "a", metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(ending.UID)),
	}))
	_, err = pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestPreconditionsOfDeletions(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	made := ts.configMap(t, "shop", "a")
	for _, wrong := range []metav1.Preconditions{{UID: ptr.To(types.UID("other"))}, {ResourceVersion: ptr.To("1")}} {
		err := maps.Delete(t.Context(), "a", metav1.DeleteOptions{Preconditions: &wrong})
		require.True(t, apierrors.IsConflict(err), "%v", err)
		require.ErrorContains(t, err, "Precondition failed")
	}
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &made.UID, ResourceVersion: &made.ResourceVersion},
	}))
	err := maps.Delete(t.Context(), "a", metav1.DeleteOptions{})
	require.EqualError(t, err, `configmaps "a" not found`)
}

func TestDeleteOptions(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const path = "/api/v1/namespaces/shop/configmaps/a"
	for _, c := range []struct {
		query, body string
		code        int
	}{
		{"?gracePeriodSeconds=x", "", 400},
		{"?uid=another", "", 409},
		{"?resourceVersion=1", "", 409},
		{"?propagationPolicy=Sideways", "", 422},
		{"?propagationPolicy=Orphan&orphanDependents=true", "", 422},
		{"?dryRun=Some", "", 422},
		{"?dryRun=Some", `{}`, 422},
		{"", `{"propagationPolicy":"Sideways"}`, 422},
		{"", `{"propagationPolicy":"Orphan","orphanDependents":true}`, 422},
		{"", `{"dryRun":["Some"]}`, 422},
		{"", `{"gracePeriodSeconds":"x"}`, 400},
		{"", `{"kind":"ConfigMap","apiVersion":"v1"}`, 400},
		{"?dryRun=All", "", 200},
		{"?propagationPolicy=Orphan&dryRun=All", "", 200},
		{"", `{"kind":"DeleteOptions","apiVersion":"v1"}`, 200},
	} {
		_, _ = ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), configMap("a"), metav1.CreateOptions{}) // or it is there
		response, body := ts.call(t, "DELETE", path+c.query, c.body)
		require.Equal(t, c.code, response.StatusCode, "%s %s: %s", c.query, c.body, body)
	}
	_, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestDeleteCollection(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.namespace(t, "bank")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	for i := range 40 {
		m := configMap(fmt.Sprintf("m%02d", i))
		m.Labels = map[string]string{"odd": fmt.Sprint(i % 2)}
		if i == 1 {
			m.Finalizers = []string{"example.com/stay"}
		}
		_, err := maps.Create(t.Context(), m, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	ts.configMap(t, "bank", "other")
	require.NoError(t, maps.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "odd=1"}))
	left, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, left.Items, 21, "the even ones, and one that something keeps")
	require.NotNil(t, left.Items[1].DeletionTimestamp)
	require.NoError(t, maps.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	left, err = maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, left.Items, 1)
	_, err = ts.client.CoreV1().ConfigMaps("bank").Get(t.Context(), "other", metav1.GetOptions{})
	require.NoError(t, err)
}

// A namespace goes when its finalizer is taken away by the subresource; an update of the namespace does not do it.
func TestANamespaceIsFinalized(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	namespaces := ts.client.CoreV1().Namespaces()
	require.NoError(t, namespaces.Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	shop, err := namespaces.Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.NamespaceTerminating, shop.Status.Phase)
	shop.Spec.Finalizers = nil
	shop, err = namespaces.Update(t.Context(), shop, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, []corev1.FinalizerName{corev1.FinalizerKubernetes}, shop.Spec.Finalizers)
	shop.Spec.Finalizers = nil
	_, err = namespaces.Finalize(t.Context(), shop, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = namespaces.Get(t.Context(), "shop", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// What a deletion answers with: for most kinds a Status, for some the object that is gone; where something keeps the
// object, how it is now, also when nothing is written.
func TestTheAnswerToADeletion(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const path = "/api/v1/namespaces/shop/"
	for _, c := range []struct{ resource, query, finalizer, body, kind, says string }{
		{"configmaps", "", "", "", "Status", `"status":"Success"`},
		{"serviceaccounts", "", "", "", "ServiceAccount", `"name":"a"`},
		{"configmaps", "?dryRun=All", `"a.b/c"`, "", "ConfigMap", `"deletionTimestamp"`},
		{"configmaps", "", `"a.b/c"`, `{"orphanDependents":false}`, "ConfigMap", `"deletionTimestamp"`},
	} {
		response, body := ts.call(t, "POST", path+c.resource, `{"metadata":{"name":"a","finalizers":[`+c.finalizer+`]}}`)
		require.Contains(t, []int{201, 409}, response.StatusCode, "%s", body)
		response, body = ts.call(t, "DELETE", path+c.resource+"/a"+c.query, c.body)
		want := 200
		if c.body != "" {
			want = 202
		}
		require.Equal(t, want, response.StatusCode, "%s", body)
		require.Contains(t, string(body), `{"kind":"`+c.kind+`"`)
		require.Contains(t, string(body), c.says)
	}
}
