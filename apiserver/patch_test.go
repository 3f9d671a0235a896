package apiserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/apiserver/resources"
)

// One document and one patch make another document: RFC 6902, RFC 7386, and upstream's strategic merge, in which lists
// of named things are merged by name.
func TestApplyPatch(t *testing.T) {
	before := `{"metadata":{"name":"a","labels":{"x":"1"}},"spec":{"containers":[{"name":"one","image":"i"},{"name":"two","image":"j"}]}}`
	for _, c := range []struct {
		kind  types.PatchType
		patch string
		after string // of spec, or of metadata.labels
	}{
		{types.JSONPatchType, `[{"op":"replace","path":"/spec/containers/0/image","value":"k"}]`, `k j`},
		{types.JSONPatchType, `[{"op":"test","path":"/metadata/name","value":"a"},{"op":"remove","path":"/spec/containers/0"}]`, `j`},
		{types.MergePatchType, `{"spec":{"containers":[{"name":"three","image":"k"}]}}`, `k`},
		{types.StrategicMergePatchType, `{"spec":{"containers":[{"name":"two","image":"k"}]}}`, `k i`},
		{types.StrategicMergePatchType, `{"spec":{"containers":[{"name":"two","$patch":"delete"}]}}`, `i`},
		{types.StrategicMergePatchType, `{"spec":{"containers":[{"$patch":"replace"},{"name":"three","image":"k"}]}}`, `k`},
	} {
		after, err := applyPatch(t.Context(), c.kind, []byte(c.patch), []byte(before), &corev1.Pod{})
		require.NoError(t, err, c.patch)
		var p corev1.Pod
		require.NoError(t, json.Unmarshal(after, &p))
		var images []string
		for _, container := range p.Spec.Containers {
			images = append(images, container.Image)
		}
		require.ElementsMatch(t, strings.Fields(c.after), images, c.patch)
	}
	for _, wrong := range []struct {
		kind  types.PatchType
		patch string
		code  int32
	}{
		{types.JSONPatchType, `{}`, 400},
		{types.JSONPatchType, `[{"op":"test","path":"/metadata/name","value":"b"}]`, 422},
		{types.JSONPatchType, `[{"op":"remove","path":"/none"}]`, 422},
		{types.JSONPatchType, `[` + strings.TrimSuffix(strings.Repeat(`{"op":"test","path":"/metadata/name","value":"a"},`, 10_001), ",") + `]`, 413},
		{types.JSONPatchType, `[{"op":"add","path":"/s","value":["` + strings.Repeat("x", 1000) + `"]}` +
			strings.Repeat(`,{"op":"copy","from":"/s","path":"/s/-"}`, 40) + `]`, 422}, // doubles each time
		{types.MergePatchType, `[`, 400},
		{types.StrategicMergePatchType, `[]`, 400},
	} {
		_, err := applyPatch(t.Context(), wrong.kind, []byte(wrong.patch), []byte(before), &corev1.Pod{})
		var s apierrors.APIStatus
		require.ErrorAs(t, (&request{row: &resources.Resource{}}).refusedPatch(err), &s, "%.100s", wrong.patch)
		require.Equal(t, wrong.code, s.Status().Code, "%.100s: %v", wrong.patch, err)
	}
}

func TestPatchesOverHTTP(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	made, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	patch := func(kind types.PatchType, body string, sub ...string) (*corev1.Pod, error) {
		return pods.Patch(t.Context(), "a", kind, []byte(body), metav1.PatchOptions{}, sub...)
	}
	p, err := patch(types.StrategicMergePatchType, `{"spec":{"containers":[{"name":"main","image":"new"}]}}`)
	require.NoError(t, err)
	require.Equal(t, "new", p.Spec.Containers[0].Image)
	require.EqualValues(t, 2, p.Generation)

	p, err = patch(types.StrategicMergePatchType, `{"status":{"conditions":[{"type":"Ready","status":"True"}]},"spec":{"nodeName":"x"}}`, "status")
	require.NoError(t, err)
	require.Empty(t, p.Spec.NodeName)
	p, err = patch(types.StrategicMergePatchType, `{"status":{"conditions":[{"type":"ContainersReady","status":"True"}]}}`, "status")
	require.NoError(t, err)
	require.Len(t, p.Status.Conditions, 2, "merged by type")
	p, err = patch(types.MergePatchType, `{"status":{"conditions":[]}}`)
	require.NoError(t, err)
	require.Len(t, p.Status.Conditions, 2, "the status is its subresource's")

	for body, check := range map[string]func(error) bool{
		`{"metadata":{"resourceVersion":"` + made.ResourceVersion + `","labels":{"a":"b"}}}`: apierrors.IsConflict,
		`{"metadata":{"uid":"another"}}`:               apierrors.IsConflict,
		`{"metadata":{"name":"b"}}`:                    apierrors.IsBadRequest,
		`{"metadata":{"namespace":"b"}}`:               apierrors.IsBadRequest,
		`{"kind":"Secret"}`:                            apierrors.IsBadRequest,
		`{"spec":{"containers":"none"}}`:               apierrors.IsInvalid,
		`{"spec":{"containers":null}}`:                 apierrors.IsInvalid,
		`null`:                                         func(err error) bool { return err != nil },
		`{"spec":{"nodeName":"x","hostNetwork":true}}`: apierrors.IsInvalid,
	} {
		_, err := patch(types.MergePatchType, body)
		require.True(t, check(err), "%s: %v", body, err)
		require.False(t, apierrors.IsInternalError(err), "%s: %v", body, err)
	}
	for kind, message := range map[types.PatchType]string{
		types.MergePatchType:          `"" is invalid: patch: Invalid value: "{`,
		types.StrategicMergePatchType: `"" is invalid: patch: Invalid value: "map[spec:map[activeDeadlineSeconds:soon`,
	} {
		_, err = patch(kind, `{"spec":{"activeDeadlineSeconds":"soon"}}`)
		require.True(t, apierrors.IsInvalid(err), "%v", err)
		require.ErrorContains(t, err, message)
		_, err = pods.Patch(t.Context(), "a", kind, []byte(`{"metadata":{"labels":{"twice":"1","twice":"2"}},"spec":{"none":1}}`),
			metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict})
		require.True(t, apierrors.IsInvalid(err), "%v", err)
		require.ErrorContains(t, err, "strict decoding error: ")
	}
	_, err = pods.Patch(t.Context(), "none", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	current, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = patch(types.MergePatchType, `{"metadata":{"resourceVersion":"`+current.ResourceVersion+`","labels":{"a":"b"}}}`)
	require.NoError(t, err)
}

// Fields that the patch has twice and those that are unknown are told of together: in one error, or as warnings.
func TestAPatchWithSeveralMistakes(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	const path = "/api/v1/namespaces/shop/configmaps/a?fieldValidation="
	for mode, want := range map[string][]string{"Strict": nil, "Ignore": nil, "Warn": {
		`299 - "duplicate field \"data.k\""`, `299 - "unknown field \"dta\""`,
	}} {
		for _, kind := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
			response, answer := ts.call(t, "PATCH", path+mode, `{"dta":{},"data":{"k":"1","k":"2"}}`, "Content-Type", string(kind))
			require.Equal(t, want, response.Header.Values("Warning"), "%s %s: %s", mode, kind, answer)
			if mode == "Strict" {
				require.Contains(t, status(t, answer).Message, `: strict decoding error: duplicate field "data.k", unknown field "dta"`)
			}
		}
	}
}

// Patches that name no resourceVersion never conflict: each is made again of what the others wrote.
func TestPatchesOfOneObjectAtTheSameTime(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			_, err := ts.client.CoreV1().ConfigMaps("shop").Patch(t.Context(), "a", types.MergePatchType,
				fmt.Appendf(nil, `{"data":{"k%d":"v"}}`, i), metav1.PatchOptions{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	m, err := ts.client.CoreV1().ConfigMaps("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Len(t, m.Data, 12)
}
