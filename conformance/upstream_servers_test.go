package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"minik.dev/cluster"
)

// notMiniks are the errors that upstream's servers log at any API server.
var notMiniks = []string{
	"The manifest file is empty, ignoring.", // of a file that nobody named
	"is not as new as written version",      // a controller whose cache has not seen its own write yet tries again
	"broadcaster already stopped",           // an event that comes while the server is told to end
}

// notServed are the errors for what minik does not serve yet.
var notServed = []string{
	"storageversionmigrations.storagemigration.k8s.io",
	"podcertificaterequests.certificates.k8s.io",
	"validatingadmissionpolicies.admissionregistration.k8s.io",
	`configmaps \"kube-apiserver-legacy-service-account-token-tracking\" not found`, // of tokens in Secrets, which minik never made
}

// TestUpstreamsServersOnMinik has upstream's own kube-scheduler and kube-controller-manager do the work of minik's, at minik's API
// server and with minik's kubelet: a Deployment becomes available, and neither logs an error.
func TestUpstreamsServersOnMinik(t *testing.T) {
	dir := directory(t)
	serve(t, "apiserver", cluster.Options{DataDir: dir, Listen: "127.0.0.1:0", Runtime: "sim", Loopback: true}, cluster.ServeOptions{})
	serve(t, "kubelet", cluster.Options{DataDir: dir, Runtime: "sim", Loopback: true}, cluster.ServeOptions{NodeName: "node-1"})
	kubeconfig := filepath.Join(dir, "kubeconfig")

	scheduler := start(t, "kube-scheduler", "--kubeconfig="+kubeconfig, "--secure-port=0", "--leader-elect-resource-name=kube-scheduler")
	manager := start(t, "kube-controller-manager", "--kubeconfig="+kubeconfig, "--secure-port=0",
		"--root-ca-file="+filepath.Join(dir, "pki", "ca.crt"), "--controllers=*")
	client := clientOf(t, kubeconfig)
	deploy(t, client, "web", 3)
	if t.Failed() {
		t.Log(scheduler.tail())
		t.Log(manager.tail())
	}
	pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, pods.Items, 3)

	// A rollout, a scale and a deletion, so that more than the start of either is seen.
	scale(t, client, "web", 1)
	require.NoError(t, client.AppsV1().Deployments("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	}, patience, tick, "the garbage collector of %s does not delete the pods", manager.name)
	scheduler.stop()
	manager.stop()
	require.Empty(t, scheduler.errors(notMiniks...))
	require.Empty(t, manager.errors(append(notServed, notMiniks...)...))
}

// directory is a data directory; its name is short, as unix sockets lie in it.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mk")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "data")
}

// serve runs one of minik's components in this process until the test ends, and returns once it is started.
func serve(t *testing.T, component string, options cluster.Options, how cluster.ServeOptions) *said {
	t.Helper()
	log := &said{}
	options.Logger = slog.New(slog.NewTextHandler(log, nil))
	started := make(chan struct{})
	last := map[string]string{"apiserver": "API server"}[component]
	options.Progress = func(s cluster.Stage) {
		if s.Name == component || s.Name == last {
			close(started)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- cluster.Serve(ctx, component, options, how) }()
	select {
	case <-started:
	case err := <-ended:
		cancel()
		t.Fatalf("starting %s: %v", component, err)
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "ending %s", component)
	})
	return log
}

func clientOf(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// deploy makes a Deployment and returns when all of its pods are available.
func deploy(t *testing.T, client kubernetes.Interface, name string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": name}
	_, err := client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: "nginx", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
				}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	available(t, client, name, replicas)
}

func scale(t *testing.T, client kubernetes.Interface, name string, replicas int32) {
	t.Helper()
	scale, err := client.AppsV1().Deployments("default").GetScale(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	scale.Spec.Replicas = replicas
	_, err = client.AppsV1().Deployments("default").UpdateScale(t.Context(), name, scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	available(t, client, name, replicas)
}

// available returns when so many of the Deployment's pods are available, and there are no others.
func available(t *testing.T, client kubernetes.Interface, name string, replicas int32) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := client.AppsV1().Deployments("default").Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == replicas &&
			d.Status.Replicas == replicas
	}, patience, tick, "Deployment %s does not have %d available pods", name, replicas)
}
