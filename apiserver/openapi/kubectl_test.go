package openapi

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/explain"
	explainv2 "k8s.io/kubectl/pkg/explain/v2"
	kubectlopenapi "k8s.io/kubectl/pkg/util/openapi"
	"k8s.io/kubectl/pkg/validation"

	"minik.dev/apiserver/resources/builtin"
)

// These tests read the documents with kubectl's own code.

// kubectl lets the server check the fields of an object only where a PATCH of its kind takes fieldValidation; else it
// falls back to checks of its own.
func TestFieldValidationIsOffered(t *testing.T) {
	server := serve(t)
	dynamicClient, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	require.NoError(t, err)
	c := client(t, server)
	v3 := resource.NewQueryParamVerifierV3(dynamicClient, c.OpenAPIV3(), resource.QueryParamFieldValidation)
	v2 := resource.NewQueryParamVerifier(dynamicClient, kubectlopenapi.NewOpenAPIGetter(c),
		resource.QueryParamFieldValidation)

	for _, k := range kindsOf(builtin.All()) {
		for name, verifier := range map[string]resource.Verifier{"v3": v3, "v2": v2} {
			if err := verifier.HasSupport(k.gvk); k.Serves("patch") {
				require.NoError(t, err, "%s %s", name, k.gvk)
			} else {
				require.Error(t, err, "%s %s", name, k.gvk)
			}
		}
	}
}

// kubectl explain deployment.spec.strategy.rollingUpdate.maxSurge
func TestExplain(t *testing.T) {
	var out bytes.Buffer
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	fields := []string{"spec", "strategy", "rollingUpdate", "maxSurge"}
	require.NoError(t, explainv2.PrintModelDescription(fields, &out, client(t, serve(t)).OpenAPIV3(), deployments,
		false, 0, "plaintext"))
	require.Contains(t, out.String(), "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n")
	require.Contains(t, out.String(), "FIELD: maxSurge <IntOrString>")
	require.Contains(t, out.String(), "The maximum number of pods that can be scheduled above the desired number")
}

// kubectl explain finds every kind; with --recursive it walks through all the types below one.
func TestExplainEverything(t *testing.T) {
	c := client(t, serve(t)).OpenAPIV3()
	for _, k := range kindsOf(builtin.All()) {
		var out bytes.Buffer
		require.NoError(t, explainv2.PrintModelDescription(nil, &out, c, k.gvk.GroupVersion().WithResource(k.Plural),
			k.gvk.Kind == "ReplicaSet", 0, "plaintext"))
		require.Contains(t, out.String(), "KIND:       "+k.gvk.Kind)
		require.Contains(t, out.String(), "metadata\t<ObjectMeta>")
	}
}

// kubectl explain --output plaintext-openapiv2
func TestExplainFromV2(t *testing.T) {
	var out bytes.Buffer
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	model := kubectlResources(t).LookupResource(pod)
	require.NotNil(t, model)
	require.NoError(t, explain.PrintModelDescription([]string{"spec", "containers"}, &out, model, pod, false, 0))
	require.Contains(t, out.String(), "RESOURCE: containers <[]Object>")
	require.Contains(t, out.String(), "name\t<string> -required-")
}

func kubectlResources(t *testing.T) kubectlopenapi.Resources {
	t.Helper()
	found, err := kubectlopenapi.NewOpenAPIParser(kubectlopenapi.NewOpenAPIGetter(client(t, serve(t)))).Parse()
	require.NoError(t, err)
	return found
}

type getter struct{ kubectlopenapi.Resources }

func (g getter) OpenAPISchema() (kubectlopenapi.Resources, error) { return g.Resources, nil }

// kubectl's own checks, which it falls back to, know the same fields.
func TestClientSideValidation(t *testing.T) {
	checks := validation.NewSchemaValidation(getter{kubectlResources(t)})
	require.NoError(t, checks.ValidateBytes([]byte(`{
		"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"app": "web"}},
		"spec": {"selector": {"app": "web"}, "ports": [
			{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}]}}`)))
	require.NoError(t, checks.ValidateBytes([]byte(`{
		"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "web",
		"resources": {"requests": {"cpu": 1, "memory": "1Gi"}}}]}}`)))
	require.ErrorContains(t, checks.ValidateBytes([]byte(`{
		"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"replicas": 3, "containers": []}}`)),
		`unknown field "replicas" in io.k8s.api.core.v1.PodSpec`)
	require.ErrorContains(t, checks.ValidateBytes([]byte(`{
		"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"image": "web"}]}}`)),
		`missing required field "name" in io.k8s.api.core.v1.Container`)
}

// A strategic merge patch changes the container that it names and leaves the other alone. kubectl apply, diff and edit
// make their patches by the OpenAPI documents, v3 first.
func TestStrategicMerge(t *testing.T) {
	const original = `{"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}`
	const patch = `{"spec": {"containers": [{"name": "b", "image": "b:2"}]}}`
	const want = `{"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]}}`

	document, err := openapi3.NewRoot(client(t, serve(t)).OpenAPIV3()).GVSpec(corev1.SchemeGroupVersion)
	require.NoError(t, err)
	for name, meta := range map[string]strategicpatch.LookupPatchMeta{
		"v3": strategicpatch.PatchMetaFromOpenAPIV3{
			SchemaList: document.Components.Schemas, Schema: document.Components.Schemas["io.k8s.api.core.v1.Pod"],
		},
		"v2": strategicpatch.NewPatchMetaFromOpenAPI(
			kubectlResources(t).LookupResource(corev1.SchemeGroupVersion.WithKind("Pod"))),
	} {
		merged, err := strategicpatch.StrategicMergePatchUsingLookupPatchMeta([]byte(original), []byte(patch), meta)
		require.NoError(t, err, name)
		require.JSONEq(t, want, string(merged), name)
	}
	// kubectl uses the strategic merge patch where the PATCH operation consumes it.
	require.Contains(t, kubectlResources(t).GetConsumes(corev1.SchemeGroupVersion.WithKind("Pod"), "PATCH"),
		"application/strategic-merge-patch+json")
}
