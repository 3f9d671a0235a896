package controllers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/clustertest"
)

// TestDisruptionBudgetOnACluster evicts the pods of a Deployment one by one, as `kubectl drain` does: a pod that its budget
// needs goes only once another one has taken the place of the last.
func TestDisruptionBudgetOnACluster(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t))
	require.NoError(t, err)
	labels := map[string]string{"app": "web"}
	_, err = client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](3), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	waitForRollout(t, client, 3)
	budgets := client.PolicyV1().PodDisruptionBudgets("default")
	_, err = budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: ptr.To(intstr.FromInt32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	allowed := func(n, needed int32) {
		require.Eventually(t, func() bool {
			b, err := budgets.Get(t.Context(), "web", metav1.GetOptions{})
			return err == nil && b.Status.ObservedGeneration == b.Generation && b.Status.DisruptionsAllowed == n &&
				b.Status.DesiredHealthy == needed && b.Status.ExpectedPods == 3 && len(b.Status.DisruptedPods) == 0
		}, 30*time.Second, 10*time.Millisecond, "%d disruptions are allowed", n)
	}
	old, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	require.NoError(t, err)
	require.Len(t, old.Items, 3)
	evict := func(i int) error {
		return client.PolicyV1().Evictions("default").Evict(t.Context(), &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: old.Items[i].Name, Namespace: "default"}})
	}
	for i := range old.Items {
		allowed(1, 2)
		require.NoError(t, evict(i))
	}
	allowed(1, 2)

	// A budget that needs all of them lets none go.
	b, err := budgets.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	b.Spec.MaxUnavailable = ptr.To(intstr.FromInt32(0))
	_, err = budgets.Update(t.Context(), b, metav1.UpdateOptions{})
	require.NoError(t, err)
	allowed(0, 3)
	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	require.NoError(t, err)
	err = client.PolicyV1().Evictions("default").Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Name: pods.Items[0].Name, Namespace: "default"}})
	require.True(t, apierrors.IsTooManyRequests(err) && apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause), "%v", err)
}
