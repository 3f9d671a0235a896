package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/cluster"
	"minik.dev/cluster/clustertest"
	"minik.dev/cmd/minik/serviceurl"
	"minik.dev/rollout"
)

// exampleRun runs the examples, one after the other, on a cluster of three nodes with a GPU each.
type exampleRun struct {
	cluster *cluster.Cluster
	config  *rest.Config
	client  kubernetes.Interface
	cache   string
}

// Every example becomes what its line in the README says, and does what its first lines promise.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	c := clustertest.Run(t, clustertest.Nodes(3), clustertest.Capacity(corev1.ResourceList{
		"nvidia.com/gpu": resource.MustParse("1"),
	}), func(o *cluster.Options) { o.SimImages = []string{"your-*"} })
	client, err := kubernetes.NewForConfig(c.Config())
	require.NoError(t, err)
	run := exampleRun{cluster: c, config: c.Config(), client: client, cache: t.TempDir()}

	// What is not listed here only has to become available.
	prepare := map[string]func(*testing.T){"10-placement.yaml": run.dedicateNode1}
	check := map[string]func(*testing.T){
		"01-pod.yaml":                   run.nobodyMakesThePodAnew,
		"02-replicaset.yaml":            run.aDeletedPodIsReplaced,
		"03-deployment.yaml":            run.theDeploymentChangesAndGoesBack,
		"05-namespace.yaml":             run.theNamespaceTakesAllAlong,
		"08-init-containers.yaml":       run.theInitContainersRanFirst,
		"09-resources.yaml":             run.eachGPUPodHasItsNode,
		"10-placement.yaml":             run.bothAreOnNode1,
		"12-replicationcontroller.yaml": run.theControllerScales,
		"13-run-to-the-end.yaml":        run.thePodSucceeded,
	}
	urls := map[string]int{"04-service.yaml": 3, "shop": 4, "textbook": 4}

	entries, err := os.ReadDir(examples)
	require.NoError(t, err)
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() && filepath.Ext(name) != ".yaml" || typed[name] || name == "scheduler" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if prepare[name] != nil {
				prepare[name](t)
			}
			answers := run.up(t, filepath.Join(examples, name))
			require.Len(t, answers, urls[name])
			for _, a := range answers {
				require.True(t, a.OK, "%s %s: %s", a.Service, a.URL, a.Detail)
			}
			if check[name] != nil {
				check[name](t)
			}
		})
		delete(check, name)
	}
	require.Empty(t, check, "examples that are not there")
}

// up does with an example what `minik up -f` does.
func (r exampleRun) up(t *testing.T, path string) []serviceurl.Answer {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	streams := genericiooptions.IOStreams{Out: io.Discard, ErrOut: io.Discard}
	objects, refused, err := applyManifests(r.config, []string{path}, streams, r.cache)
	require.NoError(t, err)
	require.Empty(t, refused)
	watch, err := rollout.New(r.client, objects)
	require.NoError(t, err)
	workloads, err := watch.Follow(ctx, io.Discard, 0)
	require.NoError(t, err, "%v", workloads)
	require.NotEmpty(t, workloads)
	for _, w := range workloads {
		require.Equal(t, rollout.Available, w.State, "%s: %s", w.Name, w.Why)
	}
	answers, err := askServices(ctx, r.client, objects, r.cluster.Address)
	require.NoError(t, err)
	return answers
}

// eventually waits until the condition holds.
func (r exampleRun) eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond)
}

// pods are those of the default namespace with the labels, in all phases.
func (r exampleRun) pods(t *testing.T, labels string) []corev1.Pod {
	list, err := r.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: labels})
	require.NoError(t, err)
	return list.Items
}

// ready counts the pods with the labels and the image that are ready and stay so.
func (r exampleRun) ready(t *testing.T, labels, image string) int {
	count := 0
	for _, pod := range r.pods(t, labels) {
		if rollout.PodStatus(&pod).State == rollout.Available && pod.DeletionTimestamp == nil && pod.Spec.Containers[0].Image == image {
			count++
		}
	}
	return count
}

func (r exampleRun) nobodyMakesThePodAnew(t *testing.T) {
	require.NoError(t, r.client.CoreV1().Pods("default").Delete(t.Context(), "hello", metav1.DeleteOptions{}))
	r.eventually(t, func() bool { return len(r.pods(t, "app=hello")) == 0 })
}

func (r exampleRun) aDeletedPodIsReplaced(t *testing.T) {
	gone := r.pods(t, "app=echo")[0]
	require.NoError(t, r.client.CoreV1().Pods("default").Delete(t.Context(), gone.Name, metav1.DeleteOptions{}))
	r.eventually(t, func() bool { return r.ready(t, "app=echo", "nginx:1.29") == 3 })
	for _, pod := range r.pods(t, "app=echo") {
		require.True(t, pod.Name != gone.Name || pod.DeletionTimestamp != nil, "it has a new name")
	}
}

func (r exampleRun) theDeploymentChangesAndGoesBack(t *testing.T) {
	for _, image := range []string{"nginx:1.30", "nginx:1.29"} {
		_, err := r.client.AppsV1().Deployments("default").Patch(t.Context(), "web", types.StrategicMergePatchType,
			[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"`+image+`"}]}}}}`), metav1.PatchOptions{})
		require.NoError(t, err)
		r.eventually(t, func() bool { return r.ready(t, "app=web", image) == 4 })
	}
	sets, err := r.client.AppsV1().ReplicaSets("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	require.NoError(t, err)
	require.Len(t, sets.Items, 2, "going back takes the old ReplicaSet again")
}

func (r exampleRun) theNamespaceTakesAllAlong(t *testing.T) {
	_, err := r.client.CoreV1().ServiceAccounts("team-a").Get(t.Context(), "default", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = r.client.CoreV1().ConfigMaps("team-a").Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, r.client.CoreV1().Namespaces().Delete(t.Context(), "team-a", metav1.DeleteOptions{}))
	r.eventually(t, func() bool {
		_, err := r.client.CoreV1().Namespaces().Get(t.Context(), "team-a", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	_, err = r.client.CoreV1().Pods("team-a").Get(t.Context(), "api", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
}

func (r exampleRun) theInitContainersRanFirst(t *testing.T) {
	pod, err := r.client.CoreV1().Pods("default").Get(t.Context(), "prepared", metav1.GetOptions{})
	require.NoError(t, err)
	var ended []metav1.Time
	for _, status := range pod.Status.InitContainerStatuses {
		require.EqualValues(t, 0, status.State.Terminated.ExitCode)
		ended = append(ended, status.State.Terminated.FinishedAt)
	}
	require.Len(t, ended, 2)
	require.False(t, ended[1].Before(&ended[0]))
	for _, status := range pod.Status.ContainerStatuses {
		require.False(t, status.State.Running.StartedAt.Before(&ended[1]))
	}
}

func (r exampleRun) eachGPUPodHasItsNode(t *testing.T) {
	nodes := map[string]bool{}
	for _, pod := range r.pods(t, "app=train") {
		nodes[pod.Spec.NodeName] = true
	}
	require.Len(t, nodes, 3)

	_, err := r.client.AppsV1().Deployments("default").Patch(t.Context(), "train", types.MergePatchType,
		[]byte(`{"spec":{"replicas":4}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	r.eventually(t, func() bool {
		for _, pod := range r.pods(t, "app=train") {
			if strings.HasPrefix(rollout.PodStatus(&pod).Why, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.") {
				return true
			}
		}
		return false
	})
	// The next examples need a GPU, too.
	require.NoError(t, r.client.AppsV1().Deployments("default").Delete(t.Context(), "train", metav1.DeleteOptions{}))
}

func (r exampleRun) dedicateNode1(t *testing.T) {
	_, err := r.client.CoreV1().Nodes().Patch(t.Context(), "node-1", types.StrategicMergePatchType,
		[]byte(`{"metadata":{"labels":{"disk":"ssd"}},
			"spec":{"taints":[{"key":"dedicated","value":"batch","effect":"NoSchedule"}]}}`), metav1.PatchOptions{})
	require.NoError(t, err)
}

func (r exampleRun) bothAreOnNode1(t *testing.T) {
	pods := r.pods(t, "example=placement")
	require.Len(t, pods, 2)
	for _, pod := range pods {
		require.Equal(t, "node-1", pod.Spec.NodeName)
	}
}

func (r exampleRun) theControllerScales(t *testing.T) {
	_, err := r.client.CoreV1().ReplicationControllers("default").Patch(t.Context(), "old", types.MergePatchType,
		[]byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	r.eventually(t, func() bool { return r.ready(t, "app=old", "nginx:1.29") == 3 })
}

func (r exampleRun) thePodSucceeded(t *testing.T) {
	r.eventually(t, func() bool {
		pod, err := r.client.CoreV1().Pods("default").Get(t.Context(), "report", metav1.GetOptions{})
		require.NoError(t, err)
		return pod.Status.Phase == corev1.PodSucceeded
	})
}
