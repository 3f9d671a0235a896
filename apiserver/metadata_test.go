package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// One empty entry clears who owns what ("Server-Side Apply", clearing managedFields), and what can't be read is left out
// of account.
func TestClientsWriteManagedFields(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	m := configMap("a", "k", "v")
	m.ManagedFields = []metav1.ManagedFieldsEntry{{}}
	made, err := maps.Create(t.Context(), m, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Len(t, made.ManagedFields, 1)

	patch := func(body string) *metav1.ObjectMeta {
		m, err := maps.Patch(t.Context(), "a", types.MergePatchType, []byte(body), metav1.PatchOptions{})
		require.NoError(t, err)
		return &m.ObjectMeta
	}
	require.Len(t, patch(`{"metadata":{"managedFields":[{"manager":"m","operation":"X"}]}}`).ManagedFields, len(made.ManagedFields))
	require.Empty(t, patch(`{"metadata":{"managedFields":[{}]}}`).ManagedFields)
}

// Owner references that are the same in everything are one (upstream).
func TestRepeatedOwnersAreOne(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const owner = `{"apiVersion":"v1","kind":"Pod","name":"o","uid":"u-1"}`
	response, body := ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps",
		`{"metadata":{"name":"a","ownerReferences":[`+owner+`,`+owner+`]}}`)
	require.Equal(t, 201, response.StatusCode, "%s", body)
	require.Contains(t, response.Header.Get("Warning"), "duplicate UID(s) observed: u-1")
	var m metav1.PartialObjectMetadata
	require.NoError(t, yaml.Unmarshal(body, &m))
	require.Len(t, m.OwnerReferences, 1)
}

// Who writes an object in another of its versions owns the fields of that version, by their names there ("Server-Side Apply",
// field management).
func TestFieldsAreOwnedInTheVersionThatWasWritten(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	written := func(method, path, body string, headers ...string) map[string]string {
		response, answer := ts.call(t, method, path, body, headers...)
		require.Less(t, response.StatusCode, 300, "%s", answer)
		var obj metav1.PartialObjectMetadata
		require.NoError(t, yaml.Unmarshal(answer, &obj))
		owned := map[string]string{}
		for _, e := range obj.ManagedFields {
			owned[e.Manager+" "+e.APIVersion] = string(e.FieldsV1.Raw)
		}
		return owned
	}
	const v1 = "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"
	const v2 = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
	merge := []string{"Content-Type", string(types.MergePatchType)}
	const spec = `"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":3`
	for _, name := range []string{"a", "b"} { // the second is one of a remembered shape
		made := written("POST", v1+"?fieldManager=one", `{"metadata":{"name":"`+name+`"},`+spec+`,"targetCPUUtilizationPercentage":50}}`)
		require.Contains(t, made["one autoscaling/v1"], "f:targetCPUUtilizationPercentage")
	}
	made := written("POST", v2+"?fieldManager=two", `{"metadata":{"name":"c"},`+spec+`}}`)
	require.Contains(t, made["two autoscaling/v2"], "f:maxReplicas")

	changed := written("PATCH", v2+"/a?fieldManager=two", `{"spec":{"maxReplicas":5}}`, merge...)
	require.Contains(t, changed["one autoscaling/v1"], "f:scaleTargetRef")
	require.NotContains(t, changed["one autoscaling/v1"], "f:maxReplicas", "taken from it in the other version")
	require.JSONEq(t, `{"f:spec":{"f:maxReplicas":{}}}`, changed["two autoscaling/v2"])
	changed = written("PATCH", v1+"/a/status?fieldManager=three", `{"status":{"currentReplicas":2,"desiredReplicas":2}}`, merge...)
	require.Contains(t, changed["three autoscaling/v1"], "f:desiredReplicas")
	changed = written("PATCH", v1+"/a?fieldManager=two", `{"spec":{"targetCPUUtilizationPercentage":60}}`, merge...)
	require.NotContains(t, changed["one autoscaling/v1"], "f:targetCPUUtilizationPercentage")
	require.JSONEq(t, `{"f:spec":{"f:targetCPUUtilizationPercentage":{}}}`, changed["two autoscaling/v1"])
	require.Contains(t, changed, "two autoscaling/v2", "an owner of its own")

	events := written("POST", "/apis/events.k8s.io/v1/namespaces/shop/events?fieldManager=one",
		`{"metadata":{"name":"e"},"eventTime":"2026-01-02T03:04:05.000000Z","reportingController":"example.com/c","reportingInstance":"c",`+
			`"action":"Look","reason":"Seen","type":"Normal","note":"n","regarding":{"kind":"Pod","namespace":"shop","name":"p"}}`)
	require.Contains(t, events["one events.k8s.io/v1"], "f:note")
}
