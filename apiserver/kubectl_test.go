package apiserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// The requests below are those that kubectl makes, byte for byte where it matters, and the answers are those by which it
// decides what to print.

// ask makes one request and reads the answer: the body, and its Status where it is one. The headers are pairs.
func (ts *testServer) ask(t testing.TB, method, path, body string, headers ...string) (string, metav1.Status) {
	t.Helper()
	request := ts.client.CoreV1().RESTClient().Verb(method).RequestURI(path)
	if body != "" {
		request.Body([]byte(body)).SetHeader("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.SetHeader(headers[i], headers[i+1])
	}
	answer, err := request.DoRaw(t.Context())
	if len(answer) == 0 {
		require.NoError(t, err)
	}
	var status metav1.Status
	if strings.HasPrefix(string(answer), `{"kind":"Status"`) {
		require.NoError(t, json.Unmarshal(answer, &status), "%s", answer)
	}
	return string(answer), status
}

// shop makes a namespace with a Deployment in it.
func (ts *testServer) shop(t testing.TB) {
	ts.namespace(t, "shop")
	labels := map[string]string{"app": "web"}
	_, err := ts.client.AppsV1().Deployments("shop").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

const web = "/apis/apps/v1/namespaces/shop/deployments/web"

// `kubectl delete` sends options that do not say what they are.
func TestDeleteOptionsNeedNoKind(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	_, status := ts.ask(t, "DELETE", web, `{"propagationPolicy":"Bogus"}`)
	require.Equal(t, `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Bogus": supported values: `+
		`"Foreground", "Background", "Orphan", "nil"`,
		status.Message)
	answer, _ := ts.ask(t, "DELETE", web, `{"propagationPolicy":"Foreground"}`)
	require.Contains(t, answer, `"foregroundDeletion"`)
	ts.namespace(t, "other")
	answer, _ = ts.ask(t, "DELETE", "/api/v1/namespaces/other/serviceaccounts/default",
		`{"kind":"DeleteOptions","apiVersion":"apps/v1","propagationPolicy":"Background"}`)
	require.Contains(t, answer, `"kind":"ServiceAccount"`)
}

// Kubectl puts what it asked for in front of these messages by itself.
func TestSelectorsThatCannotBe(t *testing.T) {
	ts := start(t)
	for path, message := range map[string]string{
		"/api/v1/pods?fieldSelector=foo%3Dbar":       "field label not supported: foo",
		"/api/v1/configmaps?fieldSelector=foo%3Dbar": `"foo" is not a known field selector: only "metadata.name", "metadata.namespace"`,
		"/api/v1/pods?labelSelector=a+in":            "unable to parse requirement: found '' expected: '('",
	} {
		_, status := ts.ask(t, "GET", path, "")
		require.Equal(t, message, status.Message, path)
		require.EqualValues(t, 400, status.Code)
	}
}

// A kind or a subresource that is not served is named. The details are there, and empty: `kubectl debug` tells by their
// name that a pod is not there, or else that the subresource is not, and fails where there are none.
func TestWhatIsNotServedIsNamed(t *testing.T) {
	ts := start(t)
	for _, asked := range []struct{ method, path, message string }{
		{"POST", "/apis/example.com/v1/namespaces/shop/things",
			"the server could not find the requested resource (post things.example.com)"},
		{"POST", "/api/v1/namespaces/shop/pods/web/secrets",
			"the server could not find the requested resource (post pods/secrets web)"},
		{"GET", "/nowhere", "the server could not find the requested resource"},
	} {
		_, status := ts.ask(t, asked.method, asked.path, "")
		require.Equal(t, asked.message, status.Message)
		require.Equal(t, metav1.StatusReasonNotFound, status.Reason)
		require.Equal(t, &metav1.StatusDetails{}, status.Details)
	}
}

func TestAScaleOfAnotherObject(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	_, status := ts.ask(t, "PUT", web+"/scale", `{"metadata":{"name":"other"},"spec":{"replicas":1}}`)
	require.Equal(t, "the name of the object (other) does not match the name on the URL (web)", status.Message)
	answer, _ := ts.ask(t, "PUT", web+"/scale", `{"metadata":{"name":"web"},"spec":{"replicas":1}}`)
	require.Contains(t, answer, `"spec":{"replicas":1}`)
}

func TestAScaleHasATable(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	answer, _ := ts.ask(t, "GET", web+"/scale", "", "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	var table metav1.Table
	require.NoError(t, json.Unmarshal([]byte(answer), &table))
	var names []string
	for _, c := range table.ColumnDefinitions {
		names = append(names, c.Name)
	}
	require.Equal(t, []string{"Name", "Desired", "Available", "Age"}, names)
	require.Equal(t, []any{"web", 3., 0.}, table.Rows[0].Cells[:3])
	require.Contains(t, string(table.Rows[0].Object.Raw), `"name":"web"`)
}

// `kubectl diff` compares what is there with what would be: a dry run has to show all that stays as it is.
func TestADryRunKeepsTheRevision(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	before, err := ts.client.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	for contentType, patch := range map[string]string{
		"application/strategic-merge-patch+json": `{"spec":{"replicas":5}}`,
		"application/apply-patch+yaml": `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},` +
			`"spec":{"replicas":5}}`,
	} {
		query := "?dryRun=All&fieldManager=diff"
		if contentType == "application/apply-patch+yaml" {
			query += "&force=true"
		}
		answer, _ := ts.ask(t, "PATCH", web+query, patch, "Content-Type", contentType)
		var after appsv1.Deployment
		require.NoError(t, json.Unmarshal([]byte(answer), &after))
		require.Equal(t, before.ResourceVersion, after.ResourceVersion, contentType)
		require.EqualValues(t, 5, *after.Spec.Replicas)
	}
}

func TestAPatchThatSetsAFieldTwice(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	const patch = `{"spec":{"replicas":1,"replicas":2}}`
	for _, contentType := range []string{"application/strategic-merge-patch+json", "application/merge-patch+json"} {
		_, status := ts.ask(t, "PATCH", web+"?fieldValidation=Strict", patch, "Content-Type", contentType)
		require.Contains(t, status.Message, `patch: Invalid value: `)
		require.Contains(t, status.Message, `strict decoding error: duplicate field "spec.replicas"`)
		_, status = ts.ask(t, "PATCH", web, `{"spec"`, "Content-Type", contentType)
		require.Equal(t, "error decoding patch: unexpected end of JSON input", status.Message)
	}
}

// This cluster has IPv4 alone. Who can do with that gets it, and `kubectl apply` finds nothing to change; who can't is told.
func TestAServicesAddressFamilies(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const services = "/api/v1/namespaces/shop/services"
	ask := func(name, spec string) (corev1.Service, metav1.Status) {
		answer, status := ts.ask(t, "POST", services,
			`{"metadata":{"name":"`+name+`"},"spec":{"ports":[{"port":80}],`+spec+`}}`)
		var made corev1.Service
		if status.Kind == "" {
			require.NoError(t, json.Unmarshal([]byte(answer), &made))
		}
		return made, status
	}
	made, _ := ask("any", `"type":"ClusterIP"`)
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol}, made.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicySingleStack, *made.Spec.IPFamilyPolicy)
	made, _ = ask("rather-both", `"ipFamilyPolicy":"PreferDualStack"`)
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol}, made.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicyPreferDualStack, *made.Spec.IPFamilyPolicy)
	_, status := ask("both", `"ipFamilyPolicy":"RequireDualStack"`)
	require.Equal(t, `Service "both" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": `+
		`this cluster is not configured for dual-stack services`, status.Message)
	_, status = ask("six", `"ipFamilies":["IPv6"]`)
	require.Equal(t, `Service "six" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster`,
		status.Message)
}

// metadata.generation counts what is wanted of a pod: neither its binding nor its status is that.
func TestABindingLeavesTheGeneration(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	spec := corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}
	pod, err := pods.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: spec}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, pod.Generation)
	require.NoError(t, pods.Bind(t.Context(), &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Target: corev1.ObjectReference{Kind: "Node", Name: "node-1"},
	}, metav1.CreateOptions{}))
	pod, err = pods.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "node-1", pod.Spec.NodeName)
	require.EqualValues(t, 1, pod.Generation)
	pod.Spec.Containers[0].Image = "web:2"
	pod, err = pods.Update(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, pod.Generation)
}

// A Table is to be had of what has columns; of anything else the next wish of the client counts, and without one it is 406.
func TestTablesOfWhatHasColumns(t *testing.T) {
	ts := start(t)
	ts.shop(t)
	const table, part = "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	const reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	const review = `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get"}}}`
	for _, c := range []struct{ method, path, body, accept, answer string }{
		{"POST", reviews, review, table, `"code":406`},
		{"POST", reviews, review, table + ",application/json", `"kind":"SelfSubjectAccessReview"`},
		{"GET", web + "/scale", "", table, `"kind":"Table"`},
		{"GET", web + "/scale", "", part, `"kind":"PartialObjectMetadata"`},
		{"GET", web + "/status", "", table, `{"name":"Up-to-date"`},
		{"GET", web + "/status", "", part, `"kind":"PartialObjectMetadata"`},
		{"DELETE", web, "", table, `"status":"Success"`},
	} {
		answer, _ := ts.ask(t, c.method, c.path, c.body, "Accept", c.accept)
		require.Contains(t, answer, c.answer, "%s %s as %s", c.method, c.path, c.accept)
	}
}
