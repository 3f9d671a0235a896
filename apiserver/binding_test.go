package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bindings that are posted to the namespace do what those posted to a pod do.
func TestBindingsOfANamespace(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	_, err := pods.Create(t.Context(), pod("a"), metav1.CreateOptions{})
	require.NoError(t, err)
	const path = "/api/v1/namespaces/shop/bindings"
	for _, c := range []struct {
		metadata, query string
		code            int
		message         string
	}{
		{`"name":"b"`, "", 404, `pods "b" not found`},
		{``, "", 400, "Name parameter required."},
		{`"name":"a","namespace":"other"`, "", 400, "the namespace of the provided object does not match the namespace sent on " +
			"the request (other != shop)"},
		{`"name":"a"`, "?dryRun=All", 201, ""},
		{`"name":"a","annotations":{"by":"hand"}`, "", 201, ""},
		{`"name":"a"`, "", 409, `Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "node-1"`},
	} {
		response, answer := ts.call(t, "POST", path+c.query, `{"apiVersion":"v1","kind":"Binding","metadata":{`+c.metadata+
			`},"target":{"kind":"Node","name":"node-1"}}`)
		require.Equal(t, c.code, response.StatusCode, "%s", answer)
		require.Equal(t, c.message, status(t, answer).Message)
	}
	bound, err := pods.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "node-1", bound.Spec.NodeName)
	require.Equal(t, "hand", bound.Annotations["by"])
	require.Contains(t, wrote(ts.revisions(t, "limit=1").Items[0]), "create pods/a/binding")

	response, _ := ts.call(t, "GET", path, "")
	require.Equal(t, 405, response.StatusCode)
	documents, err := ts.client.Discovery().ServerResourcesForGroupVersion("v1")
	require.NoError(t, err)
	require.Contains(t, documents.APIResources, metav1.APIResource{
		Name: "bindings", SingularName: "binding", Namespaced: true, Kind: "Binding", Verbs: metav1.Verbs{"create"},
	})
}
