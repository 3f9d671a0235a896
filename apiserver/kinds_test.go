package apiserver

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kube-openapi/pkg/validation/spec"
	kubectl "k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"minik.dev/apiserver/resources"
)

// crontabs is a row of unstructured objects, in a group whose name ends as those of Kubernetes do.
func crontabs() *resources.Resource {
	kind := schema.GroupVersionKind{Group: "batch.k8s.io", Version: "v1", Kind: "CronTab"}
	list := spec.ArrayProperty(spec.MapProperty(spec.StringProperty()))
	list.AddExtension("x-kubernetes-list-type", "map")
	list.AddExtension("x-kubernetes-list-map-keys", []any{"name"})
	list.Items.Schema = (&spec.Schema{}).Typed("object", "").SetProperty("name", *spec.StringProperty()).
		SetProperty("value", *spec.StringProperty())
	list.Items.Schema.Required = []string{"name"}
	wanted := (&spec.Schema{}).Typed("object", "").SetProperty("cronSpec", *spec.StringProperty()).
		SetProperty("replicas", *spec.Int64Property()).SetProperty("env", *list)
	wanted.Description = "What is wanted of the CronTab."
	wanted.AddExtension("x-kubernetes-preserve-unknown-fields", true) // nothing takes them away yet
	done := (&spec.Schema{}).Typed("object", "").SetProperty("active", *spec.Int64Property())
	return &resources.Resource{
		Kind: kind, Plural: "crontabs", ShortNames: []string{"ct"}, Custom: true, Generation: true,
		Schema: (&spec.Schema{}).Typed("object", "").SetProperty("spec", *wanted).SetProperty("status", *done),
		New: func() resources.Object {
			obj := &unstructured.Unstructured{}
			obj.SetGroupVersionKind(kind)
			return obj
		},
		NewList: func() runtime.Object { return &unstructured.UnstructuredList{} },
		Subresources: []resources.Subresource{{
			Name: "status", Resets: []string{"spec", "metadata"}, Verbs: []string{"get", "patch", "update"},
			Apply: func(obj resources.Object, body runtime.Object) error {
				obj.(*unstructured.Unstructured).Object["status"] = body.(*unstructured.Unstructured).Object["status"]
				return nil
			},
		}},
	}
}

// kubectl runs kubectl's own code in this process, and returns what it prints.
func (ts *testServer) kubectl(t *testing.T, args ...string) (printed string, err error) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: ts.config.Host, CertificateAuthorityData: ts.config.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{ClientCertificateData: ts.config.CertData, ClientKeyData: ts.config.KeyData}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	dir := t.TempDir()
	require.NoError(t, clientcmd.WriteToFile(*config, filepath.Join(dir, "kubeconfig")))
	t.Setenv("KUBECTL_KUBERC", "false")

	type fatal string
	cmdutil.BehaviorOnFatal(func(message string, _ int) { panic(fatal(message)) })
	defer cmdutil.DefaultBehaviorOnFatal()
	var out bytes.Buffer
	defer func() {
		printed = out.String()
		if message, ok := recover().(fatal); ok {
			err = errors.New(string(message))
		}
	}()
	root := kubectl.NewKubectlCommand(kubectl.KubectlOptions{
		ConfigFlags: genericclioptions.NewConfigFlags(true),
		IOStreams:   genericiooptions.IOStreams{Out: &out, ErrOut: &out},
	})
	root.SetArgs(append([]string{"--kubeconfig", filepath.Join(dir, "kubeconfig"), "--cache-dir", filepath.Join(dir, "cache")}, args...))
	return "", root.ExecuteContext(t.Context())
}

const crontab = `{"apiVersion":"batch.k8s.io/v1","kind":"CronTab","metadata":{"name":"tab"},
	"spec":{"cronSpec":"* * * * */5","env":[{"name":"a","value":"1"}]},"status":{"active":7}}`

// A kind that is added while the server runs is one to kubectl and to every verb, and is gone when it is taken away: watches of
// it end, the others go on.
func TestAKindIsAddedServedAndRemoved(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	_, err := ts.kubectl(t, "get", "crontabs")
	require.EqualError(t, err, `error: the server doesn't have a resource type "crontabs"`)
	row := crontabs()
	require.NoError(t, ts.AddKind(t.Context(), row))
	require.ErrorContains(t, ts.AddKind(t.Context(), crontabs()), "is served already")

	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	tabs := client.Resource(schema.GroupVersionResource{Group: "batch.k8s.io", Version: "v1", Resource: "crontabs"}).Namespace("shop")
	watching, err := tabs.Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	others, err := ts.client.CoreV1().ConfigMaps("shop").Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	defer others.Stop()

	file := filepath.Join(t.TempDir(), "tab.json")
	require.NoError(t, os.WriteFile(file, []byte(crontab), 0o600))
	out, err := ts.kubectl(t, "-n", "shop", "apply", "-f", file)
	require.NoError(t, err)
	require.Equal(t, "crontab.batch.k8s.io/tab created\n", out)
	made, err := tabs.Get(t.Context(), "tab", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotContains(t, made.Object, "status", "a status comes by its own path alone")
	require.Equal(t, int64(1), made.GetGeneration())
	stored, err := ts.etcd.Client.Get(t.Context(), "/registry/batch.k8s.io/crontabs/shop/tab")
	require.NoError(t, err)
	require.Len(t, stored.Kvs, 1)

	ts.changeCrontab(t, tabs)

	out, err = ts.kubectl(t, "-n", "shop", "get", "ct,cm")
	require.NoError(t, err)
	require.Regexp(t, `crontab.batch.k8s.io/tab\s+\d+s`, out)
	out, err = ts.kubectl(t, "explain", "crontab.spec")
	require.NoError(t, err)
	require.Contains(t, out, "What is wanted of the CronTab.")
	require.Contains(t, out, "cronSpec\t<string>")
	list, err := tabs.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, "CronTab", list.Items[0].GetKind(), "items of a custom kind say what they are")

	ts.RemoveKind(row)
	var seen []watch.EventType
	for event := range watching.ResultChan() { // which closes without an error
		seen = append(seen, event.Type)
	}
	require.Equal(t, watch.Added, seen[0])
	require.NotContains(t, seen, watch.Error)
	_, err = tabs.List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = ts.kubectl(t, "get", "crontabs")
	require.EqualError(t, err, `error: the server doesn't have a resource type "crontabs"`)
	document, _ := ts.ask(t, "GET", "/openapi/v3", "")
	require.NotContains(t, document, "batch.k8s.io")
	_, err = ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, watch.Added, (<-others.ResultChan()).Type)

	require.NoError(t, ts.AddKind(t.Context(), crontabs()))
	again, err := tabs.Get(t.Context(), "tab", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, list.Items[0].Object, again.Object, "what is in etcd is served again")
}

// changeCrontab writes the tab in each of the ways in which it can be written.
func (ts *testServer) changeCrontab(t *testing.T, tabs dynamic.ResourceInterface) {
	t.Helper()
	obj, err := tabs.Get(t.Context(), "tab", metav1.GetOptions{})
	require.NoError(t, err)
	obj.Object["status"] = map[string]any{"active": int64(1)}
	obj.SetLabels(map[string]string{"not": "here"})
	require.NoError(t, unstructured.SetNestedField(obj.Object, "changed", "spec", "cronSpec"))
	shown, err := tabs.UpdateStatus(t.Context(), obj, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"active": int64(1)}, shown.Object["status"])
	cron, _, err := unstructured.NestedString(shown.Object, "spec", "cronSpec")
	require.NoError(t, err)
	require.Equal(t, "* * * * */5", cron, "the status path changes nothing else")
	require.Empty(t, shown.GetLabels())
	require.Equal(t, int64(1), shown.GetGeneration())

	shown.Object["status"] = map[string]any{"active": int64(9)}
	shown.SetAnnotations(map[string]string{"a": "b"})
	shown, err = tabs.Update(t.Context(), shown, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"active": int64(1)}, shown.Object["status"], "the other path leaves the status")
	require.Equal(t, int64(1), shown.GetGeneration(), "nothing that is wanted changed")
	shown, err = tabs.Patch(t.Context(), "tab", types.MergePatchType, []byte(`{"spec":{"cronSpec":"@daily"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, int64(2), shown.GetGeneration())
	_, err = tabs.Patch(t.Context(), "tab", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	require.True(t, apierrors.IsUnsupportedMediaType(err), "%v", err)

	// The schema keys the list by name, so what two managers apply to it is merged.
	applied := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch.k8s.io/v1", "kind": "CronTab", "metadata": map[string]any{"name": "tab"},
		"spec": map[string]any{"env": []any{map[string]any{"name": "b", "value": "2"}}},
	}}
	shown, err = tabs.Apply(t.Context(), "tab", applied, metav1.ApplyOptions{FieldManager: "other"})
	require.NoError(t, err)
	env, _, err := unstructured.NestedSlice(shown.Object, "spec", "env")
	require.NoError(t, err)
	require.Len(t, env, 2)
	applied.Object["spec"] = map[string]any{"cronSpec": "@hourly"}
	_, err = tabs.Apply(t.Context(), "tab", applied, metav1.ApplyOptions{FieldManager: "other"})
	require.True(t, apierrors.IsConflict(err), "%v", err)
}
