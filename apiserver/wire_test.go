package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// call makes one HTTP request as the administrator. The headers are pairs of name and value.
func (ts *testServer) call(t testing.TB, method, path, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return ts.callAs(t, ts.config, method, path, body, headers...)
}

func (ts *testServer) callAs(t testing.TB, config *rest.Config, method, path, body string,
	headers ...string) (*http.Response, []byte) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, config.Host+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	response, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, data
}

// status reads a metav1.Status.
func status(t testing.TB, body []byte) metav1.Status {
	t.Helper()
	var s metav1.Status
	require.NoError(t, yaml.Unmarshal(body, &s), "%s", body)
	require.Equal(t, "Status", s.Kind, "%s", body)
	require.Equal(t, "v1", s.APIVersion)
	return s
}

func configMap(name string, data ...string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		m.Data[data[i]] = data[i+1]
	}
	return m
}

func (ts *testServer) configMap(t testing.TB, namespace, name string, data ...string) *corev1.ConfigMap {
	t.Helper()
	made, err := ts.client.CoreV1().ConfigMaps(namespace).Create(t.Context(), configMap(name, data...), metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

// The same object in every encoding, in a body and in an answer.
func TestBodiesInEveryEncoding(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const path = "/api/v1/namespaces/shop/configmaps"
	object := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"},"data":{"k":"ü"}}`
	inYAML, err := yaml.JSONToYAML(fmt.Appendf(nil, object, "yaml"))
	require.NoError(t, err)
	inProto, err := media{Type: mediaProto}.encode(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "proto"}, Data: map[string]string{"k": "ü"},
	})
	require.NoError(t, err)
	for _, c := range []struct{ name, contentType, body string }{
		{"json", mediaJSON, fmt.Sprintf(object, "json")},
		{"charset", mediaJSON + "; charset=utf-8", fmt.Sprintf(object, "charset")},
		{"none", "", fmt.Sprintf(object, "none")},
		{"yaml", mediaYAML, string(inYAML)},
		{"proto", mediaProto, string(inProto)},
	} {
		response, body := ts.call(t, "POST", path, c.body, "Content-Type", c.contentType)
		require.Equal(t, http.StatusCreated, response.StatusCode, "%s: %s", c.name, body)
		require.Equal(t, mediaJSON, response.Header.Get("Content-Type"))
		var made corev1.ConfigMap
		require.NoError(t, json.Unmarshal(body, &made))
		require.Equal(t, "ü", made.Data["k"])

		_, body = ts.call(t, "GET", path+"/"+c.name, "", "Accept", mediaYAML)
		var fromYAML corev1.ConfigMap
		require.NoError(t, yaml.Unmarshal(body, &fromYAML))
		require.Equal(t, made, fromYAML)

		response, body = ts.call(t, "GET", path+"/"+c.name, "", "Accept", mediaProto)
		require.Equal(t, mediaProto, response.Header.Get("Content-Type"))
		decoded, _, err := ts.codecs.proto.Decode(body, nil, nil)
		require.NoError(t, err)
		decoded.GetObjectKind().SetGroupVersionKind(made.GroupVersionKind())
		require.Equal(t, &made, decoded)

		_, body = ts.call(t, "GET", path+"/"+c.name+"?pretty=true", "")
		require.Contains(t, string(body), "\n  \"metadata\": {")
	}
	lists := map[string]*corev1.ConfigMapList{}
	for _, accept := range []string{mediaJSON, mediaYAML, mediaProto} {
		_, body := ts.call(t, "GET", path, "", "Accept", accept)
		l := &corev1.ConfigMapList{}
		switch accept {
		case mediaProto:
			_, _, err := ts.codecs.proto.Decode(body, nil, l)
			require.NoError(t, err)
			l.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
		default:
			require.NoError(t, yaml.Unmarshal(body, l))
		}
		lists[accept] = l
	}
	require.Len(t, lists[mediaJSON].Items, 5)
	require.Equal(t, lists[mediaJSON], lists[mediaYAML])
	require.Equal(t, lists[mediaJSON], lists[mediaProto])
}

func TestAClientThatSpeaksProtobuf(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	config := rest.CopyConfig(ts.config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	maps := client.CoreV1().ConfigMaps("shop")
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: "0", LabelSelector: "!none"})
	require.NoError(t, err)
	defer w.Stop()
	made, err := maps.Create(t.Context(), configMap("a", "k", "v"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, made, (<-w.ResultChan()).Object)
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, []corev1.ConfigMap{*made}, list.Items)
	_, err = maps.Create(t.Context(), configMap("a"), metav1.CreateOptions{})
	require.ErrorContains(t, err, `configmaps "a" already exists`) // a Status in protobuf
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
}

// In protobuf a claim of a StatefulSet does not say of which kind it is, which is no change; and the data of a
// ControllerRevision is the same bytes.
func TestWorkloadsInProtobuf(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	config := rest.CopyConfig(ts.config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	sets, revisions := client.AppsV1().StatefulSets("shop"), client.AppsV1().ControllerRevisions("shop")

	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	set.Spec.Template = corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: set.Spec.Selector.MatchLabels}, Spec: pod("db").Spec,
	}
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claim}
	made, err := sets.Create(t.Context(), set, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Empty(t, made.Spec.VolumeClaimTemplates[0].Kind)

	made.Labels = map[string]string{"new": "label"}
	labelled, err := sets.Update(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, labelled.Generation)
	_, text := ts.call(t, "GET", "/apis/apps/v1/namespaces/shop/statefulsets/db", "", "Accept", mediaJSON)
	require.Contains(t, string(text), `"volumeClaimTemplates":[{"kind":"PersistentVolumeClaim","apiVersion":"v1"`)

	state := runtime.RawExtension{Raw: []byte(`{"spec":{"b":1,"a":2}}`)}
	revision, err := revisions.Create(t.Context(), &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{Name: "db-1"}, Data: state, Revision: 1,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, string(state.Raw), string(revision.Data.Raw))
	revision.Revision = 2
	revision, err = revisions.Update(t.Context(), revision, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, string(state.Raw), string(revision.Data.Raw))
}

func TestMetadataAlone(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	made := ts.configMap(t, "shop", "a", "k", "v")
	client, err := metadata.NewForConfig(ts.config)
	require.NoError(t, err)
	maps := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("shop")
	one, err := maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, made.ObjectMeta, one.ObjectMeta)
	all, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all.Items, 1)
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: all.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	event := <-w.ResultChan()
	require.Equal(t, "DELETED", string(event.Type))
	require.Equal(t, "a", event.Object.(*metav1.PartialObjectMetadata).Name)
}

func TestTables(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a", "k", "v", "l", "w")
	accept := "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	for _, c := range []struct{ path, include, object string }{
		{"/api/v1/namespaces/shop/configmaps", "", "PartialObjectMetadata"},
		{"/api/v1/namespaces/shop/configmaps/a", "Metadata", "PartialObjectMetadata"},
		{"/api/v1/namespaces/shop/configmaps", "Object", "ConfigMap"},
		{"/api/v1/namespaces/shop/configmaps", "None", ""},
	} {
		response, body := ts.call(t, "GET", c.path+"?includeObject="+c.include, "", "Accept", accept)
		require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
		var table metav1.Table
		require.NoError(t, json.Unmarshal(body, &table))
		require.Equal(t, "Table", table.Kind)
		require.NotEmpty(t, table.ResourceVersion)
		require.Equal(t, "Name", table.ColumnDefinitions[0].Name)
		require.Equal(t, []any{"a", float64(2)}, table.Rows[0].Cells[:2])
		if c.object == "" {
			require.Empty(t, table.Rows[0].Object.Raw)
			continue
		}
		require.Contains(t, string(table.Rows[0].Object.Raw), fmt.Sprintf(`"kind":%q`, c.object))
	}
	_, body := ts.call(t, "GET", "/api/v1/configmaps?includeObject=All", "", "Accept", accept)
	require.Equal(t, metav1.StatusReasonBadRequest, status(t, body).Reason)
}

// The codes of upstream's API conventions for requests that can't be served as they are.
func TestWrongRequests(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	const maps = "/api/v1/namespaces/shop/configmaps"
	good := `{"metadata":{"name":"b"}}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		code                     int
		reason                   metav1.StatusReason
		message                  string
	}{
		{"nothing acceptable", "GET", maps, "", []string{"Accept", "text/html"}, 406, metav1.StatusReasonNotAcceptable, mediaYAML},
		{"a table in protobuf", "GET", maps, "", []string{"Accept", mediaProto + ";as=Table;v=v1;g=meta.k8s.io"}, 406,
			metav1.StatusReasonNotAcceptable, "only the following media types are accepted"},
		{"a watch in YAML", "GET", maps + "?watch=1", "", []string{"Accept", mediaYAML}, 406, metav1.StatusReasonNotAcceptable, ""},
		{"an unknown body", "POST", maps, good, []string{"Content-Type", "text/plain"}, 415,
			metav1.StatusReasonUnsupportedMediaType, "the body of the request was in an unknown format"},
		{"an unknown patch", "PATCH", maps + "/a", good, []string{"Content-Type", mediaJSON}, 415,
			metav1.StatusReasonUnsupportedMediaType, "application/merge-patch+json"},
		{"a body that is too large", "POST", maps, strings.Repeat(" ", 10<<20), nil, 413,
			metav1.StatusReasonRequestEntityTooLarge, "limit is 3145728"},
		{"no such object", "GET", maps + "/x", "", nil, 404, metav1.StatusReasonNotFound, `configmaps "x" not found`},
		{"no such resource", "GET", "/api/v1/namespaces/shop/things", "", nil, 404, metav1.StatusReasonNotFound,
			"the server could not find the requested resource"},
		{"no such group", "GET", "/apis/example.com/v1/things", "", nil, 404, metav1.StatusReasonNotFound, "could not find"},
		{"no such version", "GET", "/apis/apps/v1beta1/deployments", "", nil, 404, metav1.StatusReasonNotFound, "could not find"},
		{"no such subresource", "GET", maps + "/a/status", "", nil, 404, metav1.StatusReasonNotFound, "could not find"},
		{"no such path", "GET", "/nowhere", "", nil, 404, metav1.StatusReasonNotFound, "could not find"},
		{"a cluster's resource in a namespace", "GET", "/api/v1/namespaces/shop/nodes", "", nil, 404,
			metav1.StatusReasonNotFound, "could not find"},
		{"below a subresource", "GET", "/api/v1/namespaces/shop/pods/a/status/b", "", nil, 404, metav1.StatusReasonNotFound, ""},
		{"POST on an object", "POST", maps + "/a", good, nil, 405, metav1.StatusReasonMethodNotAllowed,
			"create is not supported on resources of kind \"configmaps\""},
		{"PUT on a collection", "PUT", maps, good, nil, 405, metav1.StatusReasonMethodNotAllowed, ""},
		{"OPTIONS", "OPTIONS", maps, "", nil, 405, metav1.StatusReasonMethodNotAllowed, ""},
		{"TRACE on a subresource", "TRACE", "/api/v1/namespaces/shop/pods/a/status", "", nil, 405,
			metav1.StatusReasonMethodNotAllowed, ""},
		{"GET of what is only written", "GET", "/api/v1/namespaces/shop/pods/a/binding", "", nil, 405,
			metav1.StatusReasonMethodNotAllowed, ""},
		{"all namespaces' objects deleted", "DELETE", "/api/v1/configmaps", "", nil, 400, metav1.StatusReasonBadRequest, "namespace"},
		{"not JSON", "POST", maps, "{", nil, 400, metav1.StatusReasonBadRequest, "cannot be handled as a ConfigMap"},
		{"not protobuf", "POST", maps, "k8s\x00\xff\xff", []string{"Content-Type", mediaProto}, 400, metav1.StatusReasonBadRequest, ""},
		{"no body", "POST", maps, "", nil, 400, metav1.StatusReasonBadRequest, ""},
		{"a list", "POST", maps, "[]", nil, 400, metav1.StatusReasonBadRequest, ""},
		{"another kind", "POST", maps, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}`, nil, 400,
			metav1.StatusReasonBadRequest, "does not match the expected API version"},
		{"another version", "POST", maps, `{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"b"}}`, nil, 400,
			metav1.StatusReasonBadRequest, "does not match the expected API version"},
		{"a wrong type", "POST", maps, `{"metadata":{"name":5}}`, nil, 400, metav1.StatusReasonBadRequest, "cannot unmarshal"},
		{"another namespace", "POST", maps, `{"metadata":{"name":"b","namespace":"x"}}`, nil, 400, metav1.StatusReasonBadRequest,
			"the namespace of the provided object does not match the namespace sent on the request (x != shop)"},
		{"another name", "PUT", maps + "/a", good, nil, 400, metav1.StatusReasonBadRequest,
			"the name of the object (b) does not match the name on the URL (a)"},
		{"a bad dry run", "POST", maps + "?dryRun=Some", good, nil, 422, metav1.StatusReasonInvalid,
			`CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value`},
		{"a bad validation", "POST", maps + "?fieldValidation=Lax", good, nil, 422, metav1.StatusReasonInvalid, "fieldValidation"},
		{"force without apply", "PATCH", maps + "/a?force=true", "{}", []string{"Content-Type", "application/merge-patch+json"}, 422,
			metav1.StatusReasonInvalid, "force: Forbidden: may not be specified for non-apply patch"},
		{"an operation with more", "PATCH", maps + "/a?fieldValidation=Strict",
			`[{"op":"test","path":"/kind","value":"ConfigMap","x":1}]`, []string{"Content-Type", "application/json-patch+json"}, 422,
			metav1.StatusReasonInvalid, `strict decoding error: json patch unknown field "[0].x"`},
		{"applying what no schema has", "PATCH", maps + "/a?fieldManager=m", `{"apiVersion":"v1","kind":"ConfigMap","x":1}`,
			[]string{"Content-Type", "application/apply-patch+yaml"}, 400, metav1.StatusReasonBadRequest, "failed to create typed patch object"},
		{"a bad timeout", "GET", maps + "?timeout=soon", "", nil, 400, metav1.StatusReasonBadRequest,
			"invalid timeout specified in the request URL"},
		{"initial events of a list", "GET", maps + "?sendInitialEvents=true", "", nil, 422, metav1.StatusReasonInvalid,
			"sendInitialEvents is forbidden for list"},
		{"a match without a revision", "GET", maps + "?watch=1&resourceVersionMatch=NotOlderThan", "", nil, 422,
			metav1.StatusReasonInvalid, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"},
		{"a table's rows with what", "GET", maps + "?watch=1&includeObject=All", "",
			[]string{"Accept", mediaJSON + ";as=Table;v=v1;g=meta.k8s.io"}, 400, metav1.StatusReasonBadRequest, "includeObject"},
		{"a long manager", "POST", maps + "?fieldManager=" + strings.Repeat("m", 129), good, nil, 422,
			metav1.StatusReasonInvalid, "fieldManager"},
		{"a wrong cause", "POST", maps, good, []string{"Minik-Cause", "why"}, 400, metav1.StatusReasonBadRequest, "Minik-Cause"},
	} {
		t.Run(c.name, func(t *testing.T) {
			response, body := ts.call(t, c.method, c.path, c.body, c.headers...)
			require.Equal(t, c.code, response.StatusCode, "%s", body)
			if c.method == http.MethodTrace {
				return
			}
			s := status(t, body)
			require.Equal(t, c.reason, s.Reason)
			require.EqualValues(t, c.code, s.Code)
			require.Contains(t, s.Message, c.message)
		})
	}
	list, err := ts.client.CoreV1().ConfigMaps("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1, "a wrong request wrote something")
}

// What etcd itself refuses for its size is the client's mistake as well.
func TestAnObjectTooLargeForEtcd(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	args := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%q,", strings.Repeat("x", 1<<10)), 2<<10), ",")
	response, body := ts.call(t, "POST", "/api/v1/namespaces/shop/pods",
		fmt.Sprintf(`{"metadata":{"name":"large"},"spec":{"containers":[{"name":"c","image":"i","args":[%s]}]}}`, args))
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, "%.300s", body)
	require.Contains(t, status(t, body).Message, "1.5 MiB")
}

// Warnings are bounded, whatever the body looks like.
func TestWarningsAreBounded(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	var body bytes.Buffer
	body.WriteString(`{"metadata":{"name":"a"}`)
	for i := range 200 {
		fmt.Fprintf(&body, `,"unknown%s%d":1`, strings.Repeat("x", 100), i)
	}
	body.WriteString("}")
	response, answer := ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps", body.String())
	require.Equal(t, http.StatusCreated, response.StatusCode, "%s", answer)
	size := 0
	for _, w := range response.Header.Values("Warning") {
		size += len(w)
	}
	require.LessOrEqual(t, size, maxWarnings)
	require.NotZero(t, size)
}

// The programs whose answers people read get them indented, unless they say otherwise (upstream).
func TestAnswersToPeople(t *testing.T) {
	ts := start(t)
	const path = "/api/v1/namespaces/default"
	for query, indented := range map[string]bool{"": true, "?pretty=false": false} {
		_, body := ts.call(t, "GET", path+query, "", "User-Agent", "curl/8.0")
		require.Equal(t, indented, len(body) > 2 && body[1] == '\n', "%s", body)
	}
}
