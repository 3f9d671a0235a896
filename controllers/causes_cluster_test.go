package controllers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
	"minik.dev/controllers"
	"minik.dev/journal"
)

// Every controller of the table has something to write here, and each of its writes says why: it has a reason, and causes
// that are earlier revisions, or the clock. So have the writes of scheduler and kubelets.
func TestEveryWriteOfAControllerHasACause(t *testing.T) {
	config := clustertest.Start(t)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	giveAllSomethingToDo(t, client)

	acting := map[string]bool{"default-scheduler": true, "kubelet": true}
	for _, name := range controllers.Names() {
		acting[controllers.Actor(name)] = true
	}
	var entries []api.Revision
	silent := func() []string {
		left := maps.Clone(acting)
		entries = wholeJournal(t, config)
		for _, r := range entries {
			delete(left, r.Actor.Component)
		}
		return slices.Sorted(maps.Keys(left))
	}
	if !assert.Eventually(t, func() bool { return len(silent()) == 0 }, time.Minute, 100*time.Millisecond) {
		require.Empty(t, silent(), "each controller writes something")
	}
	for _, r := range entries {
		if acting[r.Actor.Component] {
			requireCause(t, r)
		}
	}
	requireReasonsTellApart(t, client, entries)
}

// requireReasonsTellApart checks that no component changed one object in two ways for one reason.
func requireReasonsTellApart(t *testing.T, client kubernetes.Interface, entries []api.Revision) {
	t.Helper()
	type decision struct {
		actor, verb, subresource, reason string
		object                           journal.Object
	}
	made := map[decision][]int64{}
	for _, r := range entries {
		if r.Verb != "update" && r.Verb != "patch" || r.Reason == "" {
			continue
		}
		n, err := strconv.ParseInt(r.ObjectMeta.Name, 10, 64)
		require.NoError(t, err)
		d := decision{r.Actor.Component, r.Verb, r.Subresource, r.Reason, journal.ObjectOf(&r)}
		made[d] = append(made[d], n)
	}
	for d, revisions := range made {
		if len(revisions) < 2 {
			continue
		}
		var changes []string
		for _, n := range revisions {
			difference := journal.Difference(stateAt(t, client, d.object, n-1), stateAt(t, client, d.object, n))
			changes = append(changes, journal.Line(difference, len(difference)))
		}
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(changes))), 1,
			"%s wrote %v in revisions %v for one reason: %s", d.actor, d.object, revisions, d.reason)
	}
}

// stateAt is the object as it was at a revision.
func stateAt(t *testing.T, client kubernetes.Interface, o journal.Object, revision int64) map[string]any {
	t.Helper()
	path := fmt.Sprintf("/at/%d/apis/%s/v1", revision, o.Group)
	if o.Group == "" {
		path = fmt.Sprintf("/at/%d/api/v1", revision)
	}
	if o.Namespace != "" {
		path += "/namespaces/" + o.Namespace
	}
	raw, err := client.CoreV1().RESTClient().Get().AbsPath(path + "/" + o.Resource + "/" + o.Name).DoRaw(t.Context())
	require.NoError(t, err, path)
	var state map[string]any
	require.NoError(t, json.Unmarshal(raw, &state))
	return state
}

// requireCause checks that the entry says why it was written.
func requireCause(t *testing.T, r api.Revision) {
	t.Helper()
	what := r.Actor.Component + " " + r.Verb + " " + r.Resource + "/" + r.Name + "/" + r.Subresource
	own, err := strconv.ParseInt(r.ObjectMeta.Name, 10, 64)
	require.NoError(t, err)
	require.NotEmpty(t, r.Reason, what)
	require.NotEmpty(t, r.Causes, what)
	for _, cause := range r.Causes {
		if cause == journal.Timer {
			continue
		}
		n, err := strconv.ParseInt(cause, 10, 64)
		require.NoError(t, err, "%s: cause %q", what, cause)
		require.Positive(t, n, what)
		require.Less(t, n, own, "%s: a cause comes before its effect", what)
	}
}

// wholeJournal are all entries, newest first.
func wholeJournal(t *testing.T, config *rest.Config) []api.Revision {
	t.Helper()
	client, err := api.NewClient(config)
	require.NoError(t, err)
	var out []api.Revision
	for next := ""; ; {
		var page api.RevisionList
		get := client.Get().Resource("revisions").Param("limit", "500").Param("continue", next)
		require.NoError(t, get.Do(t.Context()).Into(&page))
		out = append(out, page.Items...)
		if next = page.Continue; next == "" {
			return out
		}
	}
}

// giveAllSomethingToDo makes what each of the controllers has to act upon.
func giveAllSomethingToDo(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	ctx, core := t.Context(), client.CoreV1()
	labels := map[string]string{"app": "web"}
	ports := []corev1.ServicePort{{Port: 80}}
	template := &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "old"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "old:1"}}}}
	made := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	// deployment, replicaset, replication, disruption, and those who give out addresses
	made(client.AppsV1().Deployments("default").Create(ctx, plainDeployment("web", 2), metav1.CreateOptions{}))
	made(core.ReplicationControllers("default").Create(ctx, &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: "old"},
		Spec: corev1.ReplicationControllerSpec{Replicas: ptr.To[int32](1), Selector: template.Labels,
			Template: template}}, metav1.CreateOptions{}))
	made(client.PolicyV1().PodDisruptionBudgets("default").Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{}))
	made(core.Services("default").Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: labels, Ports: ports}}, metav1.CreateOptions{}))
	// the mirror of Endpoints that a user writes
	made(core.Services("default").Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"},
		Spec: corev1.ServiceSpec{Ports: ports}}, metav1.CreateOptions{}))
	made(core.Endpoints("default").Create(ctx, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"},
		Subsets: []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}},
			Ports: []corev1.EndpointPort{{Port: 80}}}}}, metav1.CreateOptions{}))
	// node lifecycle: a node that says that it is not ready; garbage of pods: one on a node that was never there
	made(core.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ill"}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse,
			LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}}}}, metav1.CreateOptions{}))
	made(core.Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "lost"},
		Spec: corev1.PodSpec{NodeName: "ghost", Containers: template.Spec.Containers}}, metav1.CreateOptions{}))
	// namespace, service account, the authority's certificate
	made(core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short"}}, metav1.CreateOptions{}))
	require.Eventually(t, func() bool {
		_, account := core.ServiceAccounts("short").Get(ctx, "default", metav1.GetOptions{})
		_, certificate := core.ConfigMaps("short").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return account == nil && certificate == nil
	}, time.Minute, 10*time.Millisecond, "the namespace is furnished")
	require.NoError(t, core.Namespaces().Delete(ctx, "short", metav1.DeleteOptions{}))
	waitForRollout(t, client, 2)
	// garbage of owners
	require.NoError(t, client.AppsV1().Deployments("default").Delete(ctx, "web", metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}))
}
