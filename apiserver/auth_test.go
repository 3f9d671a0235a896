package apiserver

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/etcd"
)

// Who may do nothing is told so in upstream's words.
func TestRefusalsInUpstreamsWords(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	as := []string{"Impersonate-User", "jane"}
	for _, c := range []struct{ method, path, message string }{
		{"GET", "/api/v1/namespaces/shop/pods",
			`pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "shop"`},
		{"GET", "/api/v1/pods?watch=1", `pods is forbidden: User "jane" cannot watch resource "pods" in API group "" at the cluster scope`},
		{"GET", "/api/v1/namespaces/shop",
			`namespaces "shop" is forbidden: User "jane" cannot get resource "namespaces" in API group "" in the namespace "shop"`},
		{"GET", "/api/v1/namespaces", `namespaces is forbidden: User "jane" cannot list resource "namespaces" in API group "" at the cluster scope`},
		{"DELETE", "/api/v1/nodes/node-1",
			`nodes "node-1" is forbidden: User "jane" cannot delete resource "nodes" in API group "" at the cluster scope`},
		{"PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", `deployments.apps "web" is forbidden: User "jane" cannot patch ` +
			`resource "deployments/scale" in API group "apps" in the namespace "shop"`},
		{"DELETE", "/api/v1/namespaces/shop/pods",
			`pods is forbidden: User "jane" cannot deletecollection resource "pods" in API group "" in the namespace "shop"`},
		{"GET", "/apis/example.com/v1/things",
			`things.example.com is forbidden: User "jane" cannot list resource "things" in API group "example.com" at the cluster scope`},
		{"GET", "/metrics", `forbidden: User "jane" cannot get path "/metrics"`},
	} {
		response, body := ts.call(t, c.method, c.path, "", as...)
		require.Equal(t, http.StatusForbidden, response.StatusCode, "%s", body)
		s := status(t, body)
		require.Equal(t, c.message, s.Message)
		require.Equal(t, metav1.StatusReasonForbidden, s.Reason)
	}
}

func TestImpersonation(t *testing.T) {
	ts := start(t)
	const path = "/api/v1/namespaces"
	for _, c := range []struct {
		name    string
		config  *rest.Config
		headers []string
		code    int
		message string
	}{
		{"as an administrator", ts.config, []string{"Impersonate-User", "jane", "Impersonate-Group", "system:masters"}, 200, ""},
		{"as a node", ts.config, []string{"Impersonate-User", "system:node:n", "Impersonate-Group", "system:nodes"}, 200, ""},
		{"as a node without its group", ts.config, []string{"Impersonate-User", "system:node:n"}, 403, ""},
		{"as nobody", ts.config, []string{"Impersonate-User", "system:anonymous"}, 403, ""},
		{"as a group of nobody", ts.config, []string{"Impersonate-Group", "system:masters"}, 400, "without impersonating a user"},
		{"by somebody without a certificate", rest.AnonymousClientConfig(ts.config),
			[]string{"Impersonate-User", "kubernetes-admin", "Impersonate-Group", "system:masters"}, 403,
			`User "system:anonymous" cannot impersonate resource "users" in API group "" at the cluster scope`},
		{"without a certificate", rest.AnonymousClientConfig(ts.config), nil, 403, `User "system:anonymous" cannot list resource "namespaces"`},
	} {
		response, body := ts.callAs(t, c.config, "GET", path, "", c.headers...)
		require.Equal(t, c.code, response.StatusCode, "%s: %s", c.name, body)
		if c.code != 200 {
			require.Contains(t, status(t, body).Message, c.message, c.name)
		}
	}
	response, _ := ts.callAs(t, rest.AnonymousClientConfig(ts.config), "POST", "/version", "")
	require.Equal(t, 403, response.StatusCode, "the public paths are for reading")
}

// Who shows a token that nobody has is told so; who shows no credential is anonymous (upstream: "Authenticating", anonymous
// requests).
func TestTokensOfNobody(t *testing.T) {
	ts := start(t)
	nobody := rest.AnonymousClientConfig(ts.config)
	for _, c := range []struct {
		config              *rest.Config
		path, authorization string
		code                int
	}{
		{nobody, "/api/v1/namespaces", "Bearer x", 401},
		{nobody, "/api/v1/namespaces", " bearer  x", 403}, // two spaces: the token is empty
		{nobody, "/api/v1/namespaces", "bearer x y", 401},
		{nobody, "/readyz", "Bearer x", 401},
		{nobody, "/api/v1/namespaces", "Bearer", 403},
		{nobody, "/api/v1/namespaces", "Bearer ", 403},
		{nobody, "/api/v1/namespaces", "Basic eDp5", 403},
		{nobody, "/readyz", "Basic eDp5", 200},
		{ts.config, "/api/v1/namespaces", "Bearer x", 200}, // the certificate says who it is
	} {
		response, body := ts.callAs(t, c.config, "GET", c.path, "", "Authorization", c.authorization)
		require.Equal(t, c.code, response.StatusCode, "%q: %s", c.authorization, body)
		if c.code == 401 {
			require.Equal(t, metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Message: "Unauthorized", Reason: metav1.StatusReasonUnauthorized, Code: 401,
			}, status(t, body))
		}
	}
}

// jane may read pods of a namespace that has a ConfigMap of her name: an authorizer is given a reader of the objects.
type byConfigMap struct{ reader auth.Reader }

func (b byConfigMap) Authorize(a auth.Attributes) (bool, string) {
	allowed := false
	b.reader.Each("", "configmaps", a.Namespace, func(obj runtime.Object) {
		allowed = allowed || a.Namespace != "" && obj.(*corev1.ConfigMap).Name == a.User.Name
	})
	if _, ok := b.reader.Get("", "configmaps", a.Namespace, a.User.Name); ok && allowed {
		return true, "a ConfigMap says so"
	}
	return auth.Builtin{}.Authorize(a)
}

func (b byConfigMap) Rules(user auth.User, namespace string) []auth.Rule {
	return auth.Builtin{}.Rules(user, namespace)
}

func TestTheServerIsGivenItsAuthorizer(t *testing.T) {
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) {
		o.Authorizer = func(reader auth.Reader) auth.Authorizer { return byConfigMap{reader} }
	})
	ts.namespace(t, "shop")
	config := rest.CopyConfig(ts.config)
	config.Impersonate.UserName = "jane"
	jane, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = jane.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "jane"}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = jane.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	_, err = jane.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}
