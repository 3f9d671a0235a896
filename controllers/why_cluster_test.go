package controllers_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
	"minik.dev/controllers"
)

// A controller is asked what it would do, now and at an earlier revision, and nothing is written.
func TestWhy(t *testing.T) {
	config := clustertest.Start(t)
	client := kubernetes.NewForConfigOrDie(config)
	controls, err := api.NewClient(config)
	require.NoError(t, err)

	// 1. The ReplicaSet controller is held, so what it would do stays to be done.
	hold := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: "controller.replicaset"}, Spec: api.ControlSpec{Held: true}}
	require.NoError(t, controls.Post().Resource("controls").Body(hold).Do(t.Context()).Into(hold))
	require.Eventually(t, func() bool {
		var c api.Control
		err := controls.Get().Resource("controls").Name(hold.Name).Do(t.Context()).Into(&c)
		return err == nil && c.Status.Holding
	}, 20*time.Second, 10*time.Millisecond)
	replicas, labels := int32(3), map[string]string{"app": "web"}
	rs, err := client.AppsV1().ReplicaSets("default").Create(t.Context(), &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	// 2. Asked now, and of that revision after it has changed.
	ask := func(at controllers.Moment) []string {
		opinions, err := controllers.Why(t.Context(), config, appsv1.Resource("replicasets"), "default", "web", at)
		require.NoError(t, err)
		require.Len(t, opinions, 1)
		require.Equal(t, "replicaset-controller", opinions[0].Controller)
		require.Empty(t, opinions[0].Failure)
		var lines []string
		for _, i := range opinions[0].Intents {
			lines = append(lines, i.Verb+" "+i.Resource+"/"+i.Name+" "+i.Reason)
		}
		return lines
	}
	wants := func(n, has int) []string {
		var lines []string
		for range n {
			lines = append(lines, "create pods/web-… ReplicaSet web wants "+strconv.Itoa(n)+" pods, has "+strconv.Itoa(has))
		}
		return lines
	}
	now := controllers.Moment{Time: time.Now()}
	require.Equal(t, wants(3, 0), ask(now))
	then, err := strconv.ParseInt(rs.ResourceVersion, 10, 64)
	require.NoError(t, err)
	replicas = 1
	rs.Spec.Replicas = &replicas
	_, err = client.AppsV1().ReplicaSets("default").Update(t.Context(), rs, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, wants(1, 0), ask(now))
	require.Equal(t, wants(3, 0), ask(controllers.Moment{Revision: then, Time: time.Now()}))
	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, pods.Items, "nothing was written")

	// 3. A node's silence is counted from its last sign of life, which the clock decides.
	node := func(after time.Duration) []controllers.Intent {
		opinions, err := controllers.Why(t.Context(), config, corev1.Resource("nodes"), "", "node-1", controllers.Moment{Time: time.Now().Add(after)})
		require.NoError(t, err)
		return opinions[0].Intents
	}
	require.Empty(t, node(0))
	late := node(time.Minute)
	require.NotEmpty(t, late)
	require.Equal(t, "nodes", late[0].Resource)
	require.Equal(t, "node-1", late[0].Name)
	require.Contains(t, late[0].Reason, "more than 8s")

	_, err = controllers.Why(t.Context(), config, corev1.Resource("secrets"), "default", "x", now)
	require.ErrorContains(t, err, "no controller can be asked about secrets")
}
