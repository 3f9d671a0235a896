//go:build unix

package clustertest_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/clustertest"
	"minik.dev/kubelet/docker/dockertest"
)

// How many pods are started at once, and how long the cluster is watched at rest.
const (
	manyPods = 50
	restTime = 5 * time.Second
)

// BenchmarkPodsOnDocker starts 50 pods of a Deployment, and the same containers with nothing but the engine in between: 50
// that hold a network, and 50 that join them, all at once. It tells the ratio, and what the whole cluster in this process,
// etcd included, uses of a core when the pods run and nothing happens.
func BenchmarkPodsOnDocker(b *testing.B) {
	engine := dockertest.Engine(b)
	image := dockertest.Tool(b)
	clientset := kubernetes.NewForConfigOrDie(clustertest.Start(b, clustertest.Docker(), clustertest.Nodes(3)))
	for b.Loop() {
		var made []string
		bare := timed(func() { made = startBare(b, engine, image) })
		ours := timed(func() { startDeployment(b, clientset, image) })
		before := processTime(b)
		<-time.After(restTime)
		rest := processTime(b) - before
		// The next round finds as few containers as this one did.
		removeAll(b, engine, made)
		deleteDeployment(b, clientset)
		b.ReportMetric(bare.Seconds(), "bare-s")
		b.ReportMetric(ours.Seconds(), "minik-s")
		b.ReportMetric(ours.Seconds()/bare.Seconds(), "minik/bare")
		b.ReportMetric(100*rest.Seconds()/restTime.Seconds(), "%core-at-rest")
	}
}

func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func processTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startBare starts the containers. They are removed at the end if not before.
func startBare(b *testing.B, engine *client.Client, image string) []string {
	b.Helper()
	var mu sync.Mutex
	var all []string // guarded by mu
	run := func(ctx context.Context, network string) (string, error) {
		made, err := engine.ContainerCreate(ctx, &container.Config{Image: image, Cmd: []string{"sleep", "1h"}},
			&container.HostConfig{NetworkMode: container.NetworkMode(network)}, nil, nil, "")
		if err != nil {
			return "", err
		}
		b.Cleanup(func() { _ = remove(context.WithoutCancel(ctx), engine, made.ID) }) // it mostly is by then
		mu.Lock()
		all = append(all, made.ID)
		mu.Unlock()
		return made.ID, engine.ContainerStart(ctx, made.ID, container.StartOptions{})
	}
	group, ctx := errgroup.WithContext(b.Context())
	for range manyPods {
		group.Go(func() error {
			holder, err := run(ctx, "bridge")
			if err != nil {
				return err
			}
			_, err = run(ctx, "container:"+holder)
			return err
		})
	}
	require.NoError(b, group.Wait())
	return all
}

func remove(ctx context.Context, engine *client.Client, id string) error {
	return engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
}

func removeAll(b *testing.B, engine *client.Client, ids []string) {
	b.Helper()
	group, ctx := errgroup.WithContext(b.Context())
	for _, id := range ids {
		group.Go(func() error { return remove(ctx, engine, id) })
	}
	require.NoError(b, group.Wait())
}

const deploymentName = "many"

// startDeployment starts the pods, and returns when all are available.
func startDeployment(b *testing.B, client kubernetes.Interface, image string) {
	b.Helper()
	labels := map[string]string{"app": deploymentName}
	_, err := client.AppsV1().Deployments("default").Create(b.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: deploymentName},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](manyPods), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: ptr.To[int64](0),
				Containers:                    []corev1.Container{{Name: "c", Image: image, Args: []string{"sleep", "1h"}}},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(b, err)
	require.Eventually(b, func() bool {
		d, err := client.AppsV1().Deployments("default").Get(b.Context(), deploymentName, metav1.GetOptions{})
		return err == nil && d.Status.AvailableReplicas == manyPods
	}, 5*time.Minute, 20*time.Millisecond)
}

// deleteDeployment deletes it, and returns when its pods are gone.
func deleteDeployment(b *testing.B, client kubernetes.Interface) {
	b.Helper()
	require.NoError(b, client.AppsV1().Deployments("default").Delete(b.Context(), deploymentName, metav1.DeleteOptions{}))
	require.Eventually(b, func() bool {
		pods, err := client.CoreV1().Pods("default").List(b.Context(), metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	}, 5*time.Minute, 20*time.Millisecond)
}
