package controllers_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDeploymentOnACluster follows a Deployment through its life on a real API server and simulated nodes, and reads in
// the journal why each pod was made.
func TestDeploymentOnACluster(t *testing.T) {
	config := clustertest.Start(t)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	deployments := client.AppsV1().Deployments("default")
	labels := map[string]string{"app": "web"}
	_, err = deployments.Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](3),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	waitForRollout(t, client, 3)

	change := func(f func(*appsv1.Deployment)) {
		require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
			require.NoError(t, err)
			f(d)
			_, err = deployments.Update(t.Context(), d, metav1.UpdateOptions{})
			return err
		}))
	}
	change(func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "web:2" })
	waitForRollout(t, client, 3)
	d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "2", d.Annotations["deployment.kubernetes.io/revision"])
	change(func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](1) })
	waitForRollout(t, client, 1)

	minik, err := api.NewClient(config)
	require.NoError(t, err)
	var journal api.RevisionList
	require.NoError(t, minik.Get().Resource("revisions").Do(t.Context()).Into(&journal))
	// Revisions are named by decimal numbers: the oldest comes first.
	slices.SortFunc(journal.Items, func(a, b api.Revision) int {
		return cmp.Or(len(a.ObjectMeta.Name)-len(b.ObjectMeta.Name), strings.Compare(a.ObjectMeta.Name, b.ObjectMeta.Name))
	})
	made := slices.IndexFunc(journal.Items, func(r api.Revision) bool {
		return r.Resource == "pods" && r.Verb == "create" && r.Subresource == ""
	})
	require.GreaterOrEqual(t, made, 0, "the journal tells of a pod that was made")
	first := journal.Items[made]
	require.Equal(t, "replicaset-controller", first.Actor.Component)
	require.Regexp(t, `^ReplicaSet web-\w+ wants 3 pods, has 0$`, first.Reason)
	require.NotEmpty(t, first.Causes)
	cause := slices.IndexFunc(journal.Items, func(r api.Revision) bool {
		return r.ObjectMeta.Name == first.Causes[len(first.Causes)-1]
	})
	require.GreaterOrEqual(t, cause, 0)
	require.Equal(t, "deployment-controller", journal.Items[cause].Actor.Component)
	require.Equal(t, "replicasets", journal.Items[cause].Resource)
}

// waitForRollout waits for what `kubectl rollout status` waits for, and for the old pods to be gone.
func waitForRollout(t *testing.T, client kubernetes.Interface, want int32) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			return false
		}
		s := d.Status
		if s.ObservedGeneration < d.Generation || s.UpdatedReplicas != want || s.Replicas != want ||
			s.AvailableReplicas != want {
			return false
		}
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		return err == nil && len(pods.Items) == int(want) && !slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool {
			return pod.Spec.Containers[0].Image != d.Spec.Template.Spec.Containers[0].Image ||
				!strings.HasPrefix(pod.Name, "web-")
		})
	}, 60*time.Second, 10*time.Millisecond, "the Deployment has %d pods of its template", want)
}
