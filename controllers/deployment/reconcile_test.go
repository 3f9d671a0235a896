package deployment

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/replicaset"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deploymentRows make pods of Deployments.
var deploymentRows = []loop.Row{
	{Name: "deployment-controller", Workers: 8, New: New},
	{Name: "replicaset-controller", Workers: 16, New: replicaset.New},
}

func TestDeploymentIsRolledOut(t *testing.T) {
	d := aDeployment("web", 3, "v1")
	client, _ := controllertest.Start(t, deploymentRows, d)
	deployments := client.AppsV1().Deployments("shop")
	isComplete := func() bool {
		controllertest.MakeReady(t, client)
		d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		progressing := findCondition(d.Status.Conditions, appsv1.DeploymentProgressing)
		return complete(d, d.Status) && progressing != nil && progressing.Reason == reasonAvailable
	}
	controllertest.Eventually(t, isComplete, "the first rollout is complete")
	first := controllertest.PodsIn(t, client)[0].Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	controllertest.Eventually(t, func() bool {
		seen := controllertest.EventMessages(t, client)
		return strings.Contains(seen, "deployment-controller Deployment Normal ScalingReplicaSet "+
			"Scaled up replica set web-"+first+" from 0 to 3") &&
			strings.Count(seen, "replicaset-controller ReplicaSet Normal SuccessfulCreate Created pod: web-"+first+"-") == 3
	}, "the events say so")

	change(t, client, func(d *appsv1.Deployment) { d.Spec.Template = templateOf("v2") })
	controllertest.Eventually(t, func() bool {
		return isComplete() && !slices.ContainsFunc(controllertest.PodsIn(t, client), func(pod corev1.Pod) bool {
			return pod.Spec.Containers[0].Image != "v2"
		})
	}, "all pods are of the second template")
	current, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "2", current.Annotations[revisionAnnotation])

	change(t, client, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	controllertest.Eventually(t, func() bool { return isComplete() && len(controllertest.PodsIn(t, client)) == 5 }, "it is scaled up")
	change(t, client, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](0) })
	controllertest.Eventually(t, func() bool { return isComplete() && len(controllertest.PodsIn(t, client)) == 0 }, "it is scaled down")
}

// change changes the Deployment, as often as it takes.
func change(t *testing.T, client *fake.Clientset, f func(*appsv1.Deployment)) {
	controllertest.Eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		f(d)
		_, err = client.AppsV1().Deployments("shop").Update(t.Context(), d, metav1.UpdateOptions{})
		return err == nil
	}, "the Deployment is changed")
}

func TestTakenNameGetsAnother(t *testing.T) {
	d := aDeployment("web", 1, "v1")
	taken := newReplicaSet(d)
	taken.OwnerReferences, taken.Spec.Selector.MatchLabels, taken.Labels = nil, map[string]string{"app": "x"}, nil
	client, _ := controllertest.Start(t, deploymentRows, d, taken)
	controllertest.Eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return ptr.Deref(d.Status.CollisionCount, 0) == 1 && len(controllertest.PodsIn(t, client)) == 1
	}, "a collision is counted and another name is found")
}
