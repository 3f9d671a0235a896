package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	node "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	pod "sigs.k8s.io/kwok/kustomize/stage/pod/fast"

	"minik.dev/cluster"
)

// TestKWOKOnMinik has KWOK be the nodes of minik's API server, controllers and scheduler: a Deployment becomes available on them, its pods
// go when it goes, and KWOK complains of nothing.
func TestKWOKOnMinik(t *testing.T) {
	dir := directory(t)
	serve(t, "apiserver", cluster.Options{DataDir: dir, Listen: "127.0.0.1:0", Runtime: "sim", Loopback: true}, cluster.ServeOptions{})
	for _, component := range []string{"controllers", "scheduler"} {
		serve(t, component, cluster.Options{DataDir: dir, Loopback: true}, cluster.ServeOptions{})
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	stages := filepath.Join(t.TempDir(), "stages.yaml")
	require.NoError(t, os.WriteFile(stages, []byte(strings.Join([]string{node.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease,
		pod.DefaultPodReady, pod.DefaultPodComplete, pod.DefaultPodDelete}, "\n---\n")), 0o600))
	kwok := start(t, "kwok", "--config="+stages, "--kubeconfig="+kubeconfig, "--manage-all-nodes=true", "--node-lease-duration-seconds=40")
	client := clientOf(t, kubeconfig)
	for _, name := range []string{"kwok-1", "kwok-2"} {
		room := corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("9"),
		}
		_, err := client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}},
			Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	defer func() {
		if t.Failed() {
			t.Log(kwok.tail())
		}
	}()
	deploy(t, client, "web", 3)
	scale(t, client, "web", 12)
	require.NoError(t, client.AppsV1().Deployments("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	}, patience, tick, "KWOK does not let the pods go")
	kwok.stop()
	require.Contains(t, kwok.said(), "kwok-2", "what it does stands in its log")
	for line := range strings.Lines(kwok.said()) {
		require.NotRegexp(t, `"level":"(WARN|ERROR)"|^E\d{4} `, line)
	}
}
