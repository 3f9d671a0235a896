package controllers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/clustertest"
)

// On a whole cluster: a Deployment behind a Service, deleted in the three ways there are, and the namespace after it.
func TestOwnersAndNamespacesOnACluster(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t))
	require.NoError(t, err)
	ctx := t.Context()
	until := func(what string, condition func() bool) {
		t.Helper()
		start := time.Now()
		require.Eventually(t, condition, 30*time.Second, 10*time.Millisecond, what)
		t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	until("the namespace is furnished", func() bool {
		_, account := client.CoreV1().ServiceAccounts("shop").Get(ctx, "default", metav1.GetOptions{})
		_, certificate := client.CoreV1().ConfigMaps("shop").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return account == nil && certificate == nil
	})
	_, err = client.CoreV1().Services("shop").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "web"},
			Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	count := func() (deployments, replicaSets, pods int) {
		d, err := client.AppsV1().Deployments("shop").List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		r, err := client.AppsV1().ReplicaSets("shop").List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		p, err := client.CoreV1().Pods("shop").List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		return len(d.Items), len(r.Items), len(p.Items)
	}
	deploy := func() {
		t.Helper()
		_, err := client.AppsV1().Deployments("shop").Create(ctx, plainDeployment("web", 3), metav1.CreateOptions{})
		require.NoError(t, err)
		until("three endpoints, and an address", func() bool {
			service, err := client.CoreV1().Services("shop").Get(ctx, "web", metav1.GetOptions{})
			require.NoError(t, err)
			slices, err := client.DiscoveryV1().EndpointSlices("shop").List(ctx, metav1.ListOptions{})
			require.NoError(t, err)
			endpoints, err := client.CoreV1().Endpoints("shop").Get(ctx, "web", metav1.GetOptions{})
			return err == nil && len(service.Status.LoadBalancer.Ingress) == 1 && len(slices.Items) == 1 &&
				len(slices.Items[0].Endpoints) == 3 && len(endpoints.Subsets) == 1 && len(endpoints.Subsets[0].Addresses) == 3
		})
	}
	remove := func(policy metav1.DeletionPropagation) {
		t.Helper()
		err := client.AppsV1().Deployments("shop").Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: &policy})
		require.NoError(t, err)
	}
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		deploy()
		remove(policy)
		until(string(policy)+": everything goes", func() bool {
			d, r, p := count()
			return d+r+p == 0
		})
	}
	deploy()
	remove(metav1.DeletePropagationOrphan)
	until("Orphan: the ReplicaSet stays, without an owner", func() bool {
		sets, err := client.AppsV1().ReplicaSets("shop").List(ctx, metav1.ListOptions{})
		require.NoError(t, err)
		d, _, p := count()
		return d == 0 && p == 3 && len(sets.Items) == 1 && len(sets.Items[0].OwnerReferences) == 0
	})
	require.NoError(t, client.CoreV1().Namespaces().Delete(ctx, "shop", metav1.DeleteOptions{}))
	until("the namespace goes", func() bool {
		_, err := client.CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	d, r, p := count()
	require.Zero(t, d+r+p)
}

func plainDeployment(name string, replicas int32) *appsv1.Deployment {
	grace := int64(0)
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace,
					Containers: []corev1.Container{{Name: "web", Image: "nginx"}}},
			},
		},
	}
}
