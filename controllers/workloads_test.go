package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

// deploymentRows make pods of Deployments.
var deploymentRows = []row{
	{name: "deployment-controller", workers: 8, new: newDeploymentController},
	{name: "replicaset-controller", workers: 16, new: newReplicaSetController},
}

var replicaSetRows = []row{{name: "replicaset-controller", workers: 16, new: newReplicaSetController}}

func podsIn(t *testing.T, client *fake.Clientset) []corev1.Pod {
	pods, err := client.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return pods.Items
}

// makeReady does what kubelets would.
func makeReady(t *testing.T, client *fake.Clientset) {
	for _, pod := range podsIn(t, client) {
		if _, ready := readySince(&pod); ready {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(noon)}}
		_, err := client.CoreV1().Pods("shop").UpdateStatus(t.Context(), &pod, metav1.UpdateOptions{})
		if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			require.NoError(t, err)
		}
	}
}

func messages(t *testing.T, client *fake.Clientset) string {
	list, err := client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var out []string
	for _, e := range list.Items {
		out = append(out, e.Source.Component+" "+e.InvolvedObject.Kind+" "+e.Type+" "+e.Reason+" "+e.Message)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func TestDeploymentIsRolledOut(t *testing.T) {
	d := aDeployment("web", 3, "v1")
	client, _ := startFake(t, deploymentRows, d)
	deployments := client.AppsV1().Deployments("shop")
	isComplete := func() bool {
		makeReady(t, client)
		d, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		progressing := findCondition(d.Status.Conditions, appsv1.DeploymentProgressing)
		return complete(d, d.Status) && progressing != nil && progressing.Reason == reasonAvailable
	}
	eventually(t, isComplete, "the first rollout is complete")
	first := podsIn(t, client)[0].Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	eventually(t, func() bool {
		seen := messages(t, client)
		return strings.Contains(seen, "deployment-controller Deployment Normal ScalingReplicaSet "+
			"Scaled up replica set web-"+first+" from 0 to 3") &&
			strings.Count(seen, "replicaset-controller ReplicaSet Normal SuccessfulCreate Created pod: web-"+first+"-") == 3
	}, "the events say so")

	change(t, client, func(d *appsv1.Deployment) { d.Spec.Template = templateOf("v2") })
	eventually(t, func() bool {
		return isComplete() && !slices.ContainsFunc(podsIn(t, client), func(pod corev1.Pod) bool {
			return pod.Spec.Containers[0].Image != "v2"
		})
	}, "all pods are of the second template")
	current, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "2", current.Annotations[revisionAnnotation])

	change(t, client, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	eventually(t, func() bool { return isComplete() && len(podsIn(t, client)) == 5 }, "it is scaled up")
	change(t, client, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](0) })
	eventually(t, func() bool { return isComplete() && len(podsIn(t, client)) == 0 }, "it is scaled down")
}

// change changes the Deployment, as often as it takes.
func change(t *testing.T, client *fake.Clientset, f func(*appsv1.Deployment)) {
	eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		f(d)
		_, err = client.AppsV1().Deployments("shop").Update(t.Context(), d, metav1.UpdateOptions{})
		return err == nil
	}, "the Deployment is changed")
}

func TestTakenNameGetsAnother(t *testing.T) {
	d := aDeployment("web", 1, "v1")
	taken, err := newReplicaSet(d)
	require.NoError(t, err)
	taken.OwnerReferences, taken.Spec.Selector.MatchLabels, taken.Labels = nil, map[string]string{"app": "x"}, nil
	client, _ := startFake(t, deploymentRows, d, taken)
	eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return ptr.Deref(d.Status.CollisionCount, 0) == 1 && len(podsIn(t, client)) == 1
	}, "a collision is counted and another name is found")
}

func TestPodsOfOthersAreAdopted(t *testing.T) {
	rs := aReplicaSet("web", 2)
	stray := podGiven(given{t: t, name: "stray", said: map[string]string{"owner": "none"}})
	client, _ := startFake(t, replicaSetRows, rs, stray)
	eventually(t, func() bool {
		pods := podsIn(t, client)
		return len(pods) == 2 && !slices.ContainsFunc(pods, func(pod corev1.Pod) bool {
			return !metav1.IsControlledBy(&pod, rs)
		})
	}, "one pod is adopted and one is made")
}

func TestReplicationControllerMakesPods(t *testing.T) {
	rc := asReplicationController(aReplicaSet("web", 2))
	client, _ := startFake(t, []row{
		{name: "replication-controller", workers: 4, new: newReplicationController},
	}, rc)
	eventually(t, func() bool {
		rc, err := client.CoreV1().ReplicationControllers("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return rc.Status.Replicas == 2
	}, "it counts two pods")
	for _, pod := range podsIn(t, client) {
		require.Equal(t, "ReplicationController", metav1.GetControllerOf(&pod).Kind)
		require.Equal(t, "v1", metav1.GetControllerOf(&pod).APIVersion)
	}
}

func TestRefusedPodsAreReported(t *testing.T) {
	client := fake.NewSimpleClientset(aReplicaSet("web", 4))
	client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errQuota)
	})
	startOn(t, client, Options{Clock: clocktesting.NewFakeClock(noon)}, replicaSetRows)
	eventually(t, func() bool {
		rs, err := client.AppsV1().ReplicaSets("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return len(rs.Status.Conditions) == 1 && rs.Status.Conditions[0].Reason == failedCreate
	}, "the condition says that no pod can be made")
	eventually(t, func() bool {
		return strings.Contains(messages(t, client), "ReplicaSet Warning FailedCreate Error creating: ")
	}, "an event says so")
}

var errQuota = errors.New("exceeded quota")
