package clustertest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
)

const often = 20 * time.Millisecond

// simulated is what a pod's spec needs to land on the fleet, and nowhere else.
func simulated(spec corev1.PodSpec) corev1.PodSpec {
	spec.Tolerations = []corev1.Toleration{{Key: api.Simulated, Operator: corev1.TolerationOpExists}}
	spec.NodeSelector = map[string]string{api.Simulated: "true"}
	return spec
}

// A fleet runs what tolerates it, keeps what does not away, and says clearly what it cannot do. A node of it that
// loses its power is late like any other, and starts its pods anew when it is back.
func TestAFleetRunsADeployment(t *testing.T) {
	config := clustertest.Start(t, clustertest.SimNodes(50))
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	ctx, pods := t.Context(), client.CoreV1().Pods("default")
	labels := map[string]string{"app": "web"}
	_, err = client.AppsV1().Deployments("default").Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](200), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: simulated(corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}})}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	available(t, client, "web", 200)

	list, err := pods.List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	addresses := map[string]bool{}
	for _, pod := range list.Items {
		require.True(t, strings.HasPrefix(pod.Spec.NodeName, "sim-"), pod.Spec.NodeName)
		require.Equal(t, corev1.PodRunning, pod.Status.Phase)
		require.NotEmpty(t, pod.Status.HostIP)
		addresses[pod.Status.PodIP] = true
	}
	require.Len(t, addresses, 200, "each pod has an address of its own")
	events, err := client.CoreV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod"})
	require.NoError(t, err)
	for _, event := range events.Items {
		require.Equal(t, "Scheduled", event.Reason, event.Message)
	}
	err = pods.GetLogs(list.Items[0].Name, &corev1.PodLogOptions{}).Do(ctx).Error()
	require.True(t, apierrors.IsBadRequest(err), "%v", err)
	require.ErrorContains(t, err, "is simulated for scale")

	// Real nodes stay free of it: nothing lands on the fleet unasked.
	_, err = pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "real"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	real := becomes(t, client, "real", podIsReady)
	require.Equal(t, "node-1", real.Spec.NodeName)

	// The power of one node: it is late within the Lease that it leaves behind, although those of a fleet last longer.
	victim := list.Items[0]
	controls, err := api.NewClient(config)
	require.NoError(t, err)
	control := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: api.ControlName("kubelet/" + victim.Spec.NodeName)},
		Spec: api.ControlSpec{Stopped: true}}
	require.NoError(t, controls.Post().Resource("controls").Body(control).Do(ctx).Into(control))
	becomes(t, client, victim.Name, func(pod *corev1.Pod) bool { return !podIsReady(pod) })
	lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, victim.Spec.NodeName, metav1.GetOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 8, *lease.Spec.LeaseDurationSeconds)
	control.Spec.Stopped = false
	require.NoError(t, controls.Put().Resource("controls").Name(control.Name).Body(control).Do(ctx).Error())
	back := becomes(t, client, victim.Name, podIsReady)
	require.EqualValues(t, 1, back.Status.ContainerStatuses[0].RestartCount)
}

// A Job's pod ends, a pod that fails says so, and a deleted one is gone after its grace.
func TestAFleetEndsPods(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t, clustertest.SimNodes(2)))
	require.NoError(t, err)
	ctx, pods := t.Context(), client.CoreV1().Pods("default")
	make := func(name string, annotations map[string]string, policy corev1.RestartPolicy) {
		_, err := pods.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
			Spec: simulated(corev1.PodSpec{RestartPolicy: policy, Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}})},
			metav1.CreateOptions{})
		require.NoError(t, err)
	}
	make("once", map[string]string{"sim.minik.dev/run-for": "100ms"}, corev1.RestartPolicyNever)
	make("fails", map[string]string{"sim.minik.dev/fail-after": "10ms", "sim.minik.dev/exit-code": "3"}, corev1.RestartPolicyNever)
	make("stays", nil, corev1.RestartPolicyAlways)
	becomes(t, client, "once", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
	failed := becomes(t, client, "fails", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodFailed })
	require.EqualValues(t, 3, failed.Status.ContainerStatuses[0].State.Terminated.ExitCode)
	becomes(t, client, "stays", podIsReady)
	require.NoError(t, pods.Delete(ctx, "stays", metav1.DeleteOptions{}))
	becomes(t, client, "stays", nil)
}

// Nodes with KWOK's annotation are the fleet's too, with what they say of themselves.
func TestAFleetAdoptsKWOKNodes(t *testing.T) {
	client, err := kubernetes.NewForConfig(clustertest.Start(t))
	require.NoError(t, err)
	capacity := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods: resource.MustParse("7")}
	_, err = client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "kwok-1", Labels: map[string]string{"type": "kwok"},
			Annotations: map[string]string{api.KWOKNode: api.KWOKFake}},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.PodSpec{NodeSelector: map[string]string{"type": "kwok"},
			Containers: []corev1.Container{{Name: "main", Image: "nginx:1"}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	pod := becomes(t, client, "web", podIsReady)
	require.Equal(t, "kwok-1", pod.Spec.NodeName)
	node, err := client.CoreV1().Nodes().Get(t.Context(), "kwok-1", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, int64(7), node.Status.Allocatable.Pods().Value())
	require.Equal(t, int64(32), node.Status.Capacity.Cpu().Value())
	require.Eventually(t, func() bool {
		_, err = client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(t.Context(), "kwok-1", metav1.GetOptions{})
		return err == nil
	}, patience, often, "its Lease is kept")
}

func podIsReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// becomes returns when the pod is as asked; with nil when it is gone.
func becomes(t *testing.T, client kubernetes.Interface, name string, is func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	one := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", "default",
		fields.OneTermEqualSelector("metadata.name", name))
	gone := func(store cache.Store) (bool, error) { return is == nil && len(store.ListKeys()) == 0, nil }
	event, err := watchtools.UntilWithSync(ctx, one, &corev1.Pod{}, gone, func(e watch.Event) (bool, error) {
		if is == nil {
			return e.Type == watch.Deleted, nil
		}
		return e.Type != watch.Deleted && is(e.Object.(*corev1.Pod)), nil
	})
	require.NoError(t, err, "pod %s", name)
	if is == nil {
		return nil
	}
	return event.Object.(*corev1.Pod)
}
