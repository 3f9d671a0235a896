package clustertest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/clustertest"
)

func TestADeploymentRuns(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t, clustertest.Nodes(3)))
	require.NoError(t, err)
	labels := map[string]string{"app": "web"}
	_, err = client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](3),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	available(t, client, "web", 3)

	// What kubelets and pods serve is there through the API too.
	kubelet, err := client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/node-1/proxy/healthz").DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", string(kubelet))
	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	page, err := client.CoreV1().Pods("default").ProxyGet("http", pods.Items[0].Name, "", "/", nil).DoRaw(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(page), pods.Items[0].Name)
}

// available returns when the deployment has that many available replicas.
func available(t *testing.T, client kubernetes.Interface, name string, replicas int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	deployments := cache.NewListWatchFromClient(client.AppsV1().RESTClient(), "deployments", "default",
		fields.OneTermEqualSelector("metadata.name", name))
	_, err := watchtools.UntilWithSync(ctx, deployments, &appsv1.Deployment{}, nil, func(e watch.Event) (bool, error) {
		d, ok := e.Object.(*appsv1.Deployment)
		return ok && d.Status.AvailableReplicas == replicas, nil
	})
	require.NoError(t, err)
}

// Several clusters run at once in one process. What one has, the others do not.
func TestManyAtOnce(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprintf("cluster %d", i), func(t *testing.T) {
			t.Parallel()
			first, err := kubernetes.NewForConfig(clustertest.Start(t))
			require.NoError(t, err)
			second, err := kubernetes.NewForConfig(clustertest.Start(t))
			require.NoError(t, err)
			own := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "own"}}
			_, err = first.CoreV1().ConfigMaps("default").Create(t.Context(), own, metav1.CreateOptions{})
			require.NoError(t, err)
			_, err = second.CoreV1().ConfigMaps("default").Get(t.Context(), "own", metav1.GetOptions{})
			require.True(t, apierrors.IsNotFound(err), "%v", err)
		})
	}
}

// A test that ends leaves nothing behind: no server, no file; that there is no goroutine is checked in TestMain.
func TestNothingIsLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var host string
	t.Run("with a cluster", func(t *testing.T) {
		logs := &bytes.Buffer{}
		t.Cleanup(func() { require.Contains(t, logs.String(), "component=cluster") }) // when nobody writes any more
		c := clustertest.Run(t,
			clustertest.Capacity(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("64")}),
			clustertest.Logger(slog.New(slog.NewTextHandler(logs, nil))))
		host = c.Config().Host
		client, err := kubernetes.NewForConfig(c.Config())
		require.NoError(t, err)
		node, err := client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, "64", node.Status.Capacity.Cpu().String())
	})
	_, err := http.Get(host)
	require.ErrorContains(t, err, "refused")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}
