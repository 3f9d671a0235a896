package apiserver

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// apply is `kubectl apply --server-side` of a ConfigMap's data as the manager.
func (ts *testServer) apply(t testing.TB, manager, data string, o metav1.PatchOptions) (*corev1.ConfigMap, error) {
	o.FieldManager = manager
	return ts.client.CoreV1().ConfigMaps("shop").Patch(t.Context(), "a", types.ApplyPatchType,
		[]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: "+data+"\n"), o)
}

// The rules of "Server-Side Apply": what a manager applied is its own; what it no longer names goes, unless somebody else
// owns it too; what another owns with another value is a conflict, unless it is forced.
func TestServerSideApply(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	m, err := ts.apply(t, "alice", `{a: "1", b: "1"}`, metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1", "b": "1"}, m.Data)
	require.Equal(t, metav1.ManagedFieldsOperationApply, m.ManagedFields[0].Operation)
	again, err := ts.apply(t, "alice", `{a: "1", b: "1"}`, metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, m, again, "nothing changed, nothing is written")

	m, err = ts.apply(t, "bob", `{c: "2", a: "1"}`, metav1.PatchOptions{}) // a has the same value: both own it
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1", "b": "1", "c": "2"}, m.Data)

	_, err = ts.apply(t, "bob", `{c: "2", a: "1", b: "2"}`, metav1.PatchOptions{})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, `Apply failed with 1 conflict: conflict with "alice": .data.b`)
	force := true
	m, err = ts.apply(t, "bob", `{c: "2", a: "1", b: "2"}`, metav1.PatchOptions{Force: &force})
	require.NoError(t, err)
	require.Equal(t, "2", m.Data["b"])

	m, err = ts.apply(t, "alice", `{}`, metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1", "b": "2", "c": "2"}, m.Data, "bob owns all of them")
	m, err = ts.apply(t, "bob", `{b: "2"}`, metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "2"}, m.Data)

	shown, err := ts.apply(t, "bob", `{b: "3"}`, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	require.Equal(t, "3", shown.Data["b"])
	stored, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, m, stored)

	// An update owns what it changed, so that an apply of it conflicts.
	stored.Data["b"] = "4"
	_, err = ts.client.CoreV1().ConfigMaps("shop").Update(t.Context(), stored, metav1.UpdateOptions{FieldManager: "carol"})
	require.NoError(t, err)
	_, err = ts.apply(t, "bob", `{b: "2"}`, metav1.PatchOptions{})
	require.ErrorContains(t, err, `conflict with "carol" using v1: .data.b`)
}

func TestAppliesThatAreRefused(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	made := ts.configMap(t, "shop", "a")
	ts.configMap(t, "shop", "b") // so that the revision of a is not the newest
	force := false
	_, err := ts.apply(t, "", `{}`, metav1.PatchOptions{Force: &force})
	require.ErrorContains(t, err, "fieldManager: Required value: is required for apply patch")
	const path = "/api/v1/namespaces/shop/configmaps/a?fieldManager=m"
	for body, code := range map[string]int{
		"{": 400, "[]": 400, "": 400,
		"{apiVersion: v1, kind: Secret, metadata: {name: a}}":                                                     400,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}":                                                  400,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: bank}}":                                 400,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, managedFields: [{}]}}":                             400,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, resourceVersion: '1'}}":                            409,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, uid: another}}":                                    409,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: 5}}":                                    400,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 'not good'}}}":                         422,
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, resourceVersion: '" + made.ResourceVersion + "'}}": 200,
	} {
		response, answer := ts.call(t, "PATCH", path, body, "Content-Type", string(types.ApplyPatchType))
		require.Equal(t, code, response.StatusCode, "%s: %s", body, answer)
	}
	ts.namespace(t, "bank")
	response, answer := ts.call(t, "PATCH", "/api/v1/namespaces/shop/configmaps/new?fieldManager=m",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: new, namespace: bank}}", "Content-Type", string(types.ApplyPatchType))
	require.Equal(t, 400, response.StatusCode, "not even where nothing is there: %s", answer)
	response, answer = ts.call(t, "PATCH", path+"&force=maybe", "{}", "Content-Type", string(types.ApplyPatchType))
	require.Equal(t, 400, response.StatusCode, "%s", answer)
	response, answer = ts.call(t, "PATCH", path+"&fieldValidation=Strict",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dta: {}}", "Content-Type", string(types.ApplyPatchType))
	require.Equal(t, 400, response.StatusCode, "%s", answer)
	require.Contains(t, string(answer), `unknown field \"dta\"`)
}

// A status that is applied is owned apart from the rest, and changes nothing else.
func TestApplyOfAStatus(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	made, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	p, err := pods.Patch(t.Context(), "a", types.ApplyPatchType,
		[]byte(`{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, message: hello}}`),
		metav1.PatchOptions{FieldManager: "reporter"}, "status")
	require.NoError(t, err)
	require.Equal(t, corev1.PodRunning, p.Status.Phase)
	require.Equal(t, "hello", p.Status.Message)
	require.Equal(t, made.Spec, p.Spec)
	found := false
	for _, f := range p.ManagedFields {
		if f.Manager == "reporter" {
			found = true
			require.Equal(t, "status", f.Subresource)
			require.Equal(t, metav1.ManagedFieldsOperationApply, f.Operation)
			require.JSONEq(t, `{"f:status":{"f:message":{},"f:phase":{}}}`, string(f.FieldsV1.Raw))
		}
	}
	require.True(t, found)
	_, err = pods.Patch(t.Context(), "none", types.ApplyPatchType,
		[]byte(`{apiVersion: v1, kind: Pod, metadata: {name: none}, status: {phase: Running}}`),
		metav1.PatchOptions{FieldManager: "reporter"}, "status")
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// Managers that apply the same new object at the same time all succeed: one makes it, the others merge.
func TestAppliesOfANewObjectAtTheSameTime(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	var wait sync.WaitGroup
	for i := range 10 {
		wait.Go(func() {
			if _, err := ts.apply(t, fmt.Sprintf("m%d", i), fmt.Sprintf("{k%d: v}", i), metav1.PatchOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	m, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Len(t, m.Data, 10)
	require.Len(t, m.ManagedFields, 10)
}
