package clients

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster"
)

const (
	chart     = "testdata/chart"
	namespace = "shop" // which is not there before the chart is installed
	release   = "web"

	// helmPatience bounds how long Helm waits for what it installs; upgradePatience for what never comes.
	helmPatience    = time.Minute
	upgradePatience = 2 * time.Second
)

// helm is what both versions can do. Each waits for what it does.
type helm interface {
	install(values map[string]any) error
	upgrade(values map[string]any, timeout time.Duration) error
	rollback(version int) error
	uninstall() error
}

// settle makes Helm's own settings those of one who has set KUBECONFIG, with a cache that the test leaves no trace in.
func settle(t *testing.T, c *cluster.Cluster, kubeconfig *string, getter genericclioptions.RESTClientGetter) {
	cache := t.TempDir()
	*kubeconfig = c.Kubeconfig()
	getter.(*genericclioptions.ConfigFlags).CacheDir = &cache
}

// testReleases leads one release through its life: installed, upgraded, upgraded in vain, rolled back, uninstalled.
func testReleases(t *testing.T, c *cluster.Cluster, h helm) {
	client, err := kubernetes.NewForConfig(c.Config())
	require.NoError(t, err)
	s := shop{t, client}

	require.NoError(t, h.install(nil))
	s.runs("nginx:1", "hello", 2)
	require.Equal(t, map[string]string{"1": "deployed"}, s.releases())
	require.Nil(t, s.pod(release+"-prepare"), "the hook's policy deletes it")
	require.Nil(t, s.pod(release+"-migrate"), "that is for upgrades")
	events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + release + "-prepare,reason=Started"})
	require.NoError(t, err)
	require.NotEmpty(t, events.Items, "it has run")

	require.NoError(t, h.upgrade(map[string]any{"image": "nginx:2", "replicas": 3, "greeting": "hi"}, helmPatience))
	s.runs("nginx:2", "hi", 3)
	require.Equal(t, map[string]string{"1": "superseded", "2": "deployed"}, s.releases())
	hook := s.pod(release + "-migrate")
	require.Equal(t, corev1.PodSucceeded, hook.Status.Phase)
	require.Equal(t, "nginx:2", hook.Spec.Containers[0].Image)

	refused := map[string]any{"image": "your-registry/none:1"}
	require.Error(t, h.upgrade(refused, upgradePatience), "its image is nowhere")
	require.Equal(t, map[string]string{"1": "superseded", "2": "deployed", "3": "failed"}, s.releases())
	ready, err := client.AppsV1().Deployments(namespace).Get(t.Context(), release, metav1.GetOptions{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, ready.Status.ReadyReplicas, int32(2), "those of before serve on")

	require.NoError(t, h.rollback(1))
	s.runs("nginx:1", "hello", 2)
	require.Equal(t, "deployed", s.releases()["4"])

	require.NoError(t, h.uninstall())
	require.Empty(t, s.releases())
	s.empty()
}

// shop looks at what the chart has made.
type shop struct {
	t      *testing.T
	client kubernetes.Interface
}

// runs checks that the release is there and ready at this very moment: Helm has waited for it.
func (s shop) runs(image, greeting string, replicas int32) {
	s.t.Helper()
	ctx := s.t.Context()
	d, err := s.client.AppsV1().Deployments(namespace).Get(ctx, release, metav1.GetOptions{})
	require.NoError(s.t, err)
	require.Equal(s.t, image, d.Spec.Template.Spec.Containers[0].Image)
	require.Equal(s.t, replicas, *d.Spec.Replicas)
	require.Equal(s.t, d.Generation, d.Status.ObservedGeneration)
	require.Equal(s.t, replicas, d.Status.UpdatedReplicas)
	require.GreaterOrEqual(s.t, d.Status.ReadyReplicas, replicas)
	m, err := s.client.CoreV1().ConfigMaps(namespace).Get(ctx, release, metav1.GetOptions{})
	require.NoError(s.t, err)
	require.Equal(s.t, map[string]string{"GREETING": greeting, "NAMESPACE_PHASE": "Active"}, m.Data)
	service, err := s.client.CoreV1().Services(namespace).Get(ctx, release, metav1.GetOptions{})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, service.Spec.ClusterIP)
}

// releases are the states of the release's versions, as Helm stores them.
func (s shop) releases() map[string]string {
	s.t.Helper()
	secrets, err := s.client.CoreV1().Secrets(namespace).List(s.t.Context(), metav1.ListOptions{
		LabelSelector: "owner=helm,name=" + release, FieldSelector: "type=helm.sh/release.v1"})
	require.NoError(s.t, err)
	states := map[string]string{}
	for _, secret := range secrets.Items {
		states[secret.Labels["version"]] = secret.Labels["status"]
	}
	return states
}

// pod is the pod of that name, or nil.
func (s shop) pod(name string) *corev1.Pod {
	s.t.Helper()
	pod, err := s.client.CoreV1().Pods(namespace).Get(s.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(s.t, err)
	return pod
}

// empty checks that nothing of the release is left but the pod of its hook, which Helm leaves as documented.
func (s shop) empty() {
	s.t.Helper()
	ctx, app := s.t.Context(), metav1.ListOptions{LabelSelector: "app=" + release}
	_, err := s.client.AppsV1().Deployments(namespace).Get(ctx, release, metav1.GetOptions{})
	require.True(s.t, apierrors.IsNotFound(err), "%v", err)
	_, err = s.client.CoreV1().Services(namespace).Get(ctx, release, metav1.GetOptions{})
	require.True(s.t, apierrors.IsNotFound(err), "%v", err)
	_, err = s.client.CoreV1().ConfigMaps(namespace).Get(ctx, release, metav1.GetOptions{})
	require.True(s.t, apierrors.IsNotFound(err), "%v", err)
	require.Eventually(s.t, func() bool { // the garbage collector's work
		pods, err := s.client.CoreV1().Pods(namespace).List(ctx, app)
		require.NoError(s.t, err)
		sets, err := s.client.AppsV1().ReplicaSets(namespace).List(ctx, app)
		require.NoError(s.t, err)
		return len(pods.Items)+len(sets.Items) == 0
	}, helmPatience, 10*time.Millisecond)
	require.NotNil(s.t, s.pod(release+"-migrate"))
}
