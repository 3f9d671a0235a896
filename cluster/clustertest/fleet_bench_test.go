//go:build unix

package clustertest_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/cluster/clustertest"
)

// BenchmarkSimulatedPods measures what one pod of ten Deployments on 1,000 simulated nodes costs, from their creation until
// all are available, in CPU time of the whole process.
//
//	go test ./cluster/clustertest -run '^$' -bench SimulatedPods -benchtime 10000x
func BenchmarkSimulatedPods(b *testing.B) {
	const deployments = 10
	client, err := kubernetes.NewForConfig(clustertest.Start(b, clustertest.Nodes(3), clustertest.SimNodes(1000)))
	require.NoError(b, err)
	all := client.AppsV1().Deployments("default")
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for i := range deployments {
		labels := map[string]string{"app": fmt.Sprintf("web-%d", i)}
		pod := simulated(corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}})
		_, err := all.Create(b.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: labels["app"]},
			Spec: appsv1.DeploymentSpec{
				Replicas: ptr.To(int32(max(b.N/deployments, 1))), Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
			}}, metav1.CreateOptions{})
		require.NoError(b, err)
	}
	for i := 0; i < deployments; {
		d, err := all.Get(b.Context(), fmt.Sprintf("web-%d", i), metav1.GetOptions{})
		require.NoError(b, err)
		if d.Status.AvailableReplicas == *d.Spec.Replicas {
			i++
			continue
		}
		time.Sleep(often)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// cpuTime is what this process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
