package cluster

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/docker/dockertest"
)

var (
	faultRounds = flag.Int("fault-rounds", 8, "how many faults the fault test makes on Docker")
	faultSeed   = flag.Uint64("fault-seed", 0, "seed of the fault test; 0 takes a new one")
)

// What runs while faults are made.
const (
	faultPods     = 4
	faultApp      = "app"
	faultPatience = 2 * time.Minute // a container that ended twice waits for its back-off
)

// TestFaults runs pods on Docker and makes one fault after the other: whatever happens, in the end each pod runs once,
// nothing is left of those that are gone, and what is not the cluster's is never touched.
func TestFaults(t *testing.T) {
	engine := dockertest.Engine(t)
	seed := *faultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the same again: go test ./cluster -run TestFaults -fault-seed %d", seed)
		}
	})
	f := &faults{t: t, engine: engine, random: rand.New(rand.NewPCG(seed, 0)), site: newSite(t), image: dockertest.Tool(t)}
	f.site.runtime, f.site.routes = runtimeDocker, true
	f.begin()
	kinds := []struct {
		name string
		make func()
	}{
		{"kill -9", f.crash}, {"kill a container", f.killContainer}, {"remove a container", f.removeContainer},
		{"remove a sandbox", f.removeSandbox}, {"delete a pod", f.deletePod}, {"delete a pod that pulls", f.deletePulling},
	}
	order := f.random.Perm(len(kinds))
	for round := range *faultRounds {
		kind := kinds[order[round%len(order)]] // each kind comes up, in another order for each seed
		t.Logf("round %d: %s", round, kind.name)
		kind.make()
		f.settle()
	}
	f.end()
}

// faults is a cluster on Docker with a Deployment, and a container beside it that is nobody's.
type faults struct {
	t       *testing.T
	engine  *client.Client
	random  *rand.Rand
	site    *site
	image   string
	process *process
	api     kubernetes.Interface
	cluster string // its ID, by the labels of its containers
	foreign string
}

func (f *faults) begin() {
	made, err := f.engine.ContainerCreate(f.t.Context(), &container.Config{Image: f.image, Cmd: []string{"sleep", "1h"}},
		&container.HostConfig{NetworkMode: "none"}, nil, nil, fmt.Sprintf("foreign-%d", f.random.Uint64()))
	require.NoError(f.t, err)
	f.foreign = made.ID
	f.t.Cleanup(func() {
		require.NoError(f.t, f.engine.ContainerRemove(context.WithoutCancel(f.t.Context()), f.foreign,
			container.RemoveOptions{Force: true}))
	})
	require.NoError(f.t, f.engine.ContainerStart(f.t.Context(), f.foreign, container.StartOptions{}))
	f.start()
	f.t.Cleanup(f.sweep)
	labels := map[string]string{"app": faultApp}
	_, err = f.api.AppsV1().Deployments("default").Create(f.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: faultApp},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](faultPods), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: ptr.To[int64](1),
				Containers:                    []corev1.Container{{Name: faultApp, Image: f.image, Args: []string{"say", "up", "sleep", "1h"}}},
			}},
		},
	}, metav1.CreateOptions{})
	require.NoError(f.t, err)
	f.settle()
	for _, c := range f.containers(f.pods()[0].UID) {
		f.cluster = c.Labels["minik.dev/cluster"]
	}
	require.NotEmpty(f.t, f.cluster)
}

func (f *faults) start() {
	f.process = f.site.run(f.t, "up")
	f.api = f.site.client(f.t)
}

// end ends the cluster tidily, and looks at what is left.
func (f *faults) end() {
	f.process.end(f.t, syscall.SIGINT)
	of := filters.NewArgs(filters.Arg("label", "minik.dev/cluster="+f.cluster))
	containers, err := f.engine.ContainerList(f.t.Context(), container.ListOptions{All: true, Filters: of})
	require.NoError(f.t, err)
	require.Empty(f.t, containers)
	networks, err := f.engine.NetworkList(f.t.Context(), network.ListOptions{Filters: of})
	require.NoError(f.t, err)
	require.Empty(f.t, networks)
	volumes, err := f.engine.VolumeList(f.t.Context(), volume.ListOptions{Filters: of})
	require.NoError(f.t, err)
	require.Empty(f.t, volumes.Volumes)
	seen, err := f.engine.ContainerInspect(f.t.Context(), f.foreign)
	require.NoError(f.t, err)
	require.True(f.t, seen.State.Running, "somebody else's container was touched")
}

// sweep takes away what a test that failed has left.
func (f *faults) sweep() {
	_ = f.process.cmd.Process.Kill() // it may have ended
	<-f.process.ended
	require.NoError(f.t, Reset(context.WithoutCancel(f.t.Context()), f.site.dir))
}

// pods are the Deployment's that are not being deleted.
func (f *faults) pods() []corev1.Pod {
	list, err := f.api.CoreV1().Pods("default").List(f.t.Context(), metav1.ListOptions{LabelSelector: "app=" + faultApp})
	require.NoError(f.t, err)
	return list.Items
}

// containers are those that the engine has of a pod, running or not; of all pods where the UID is empty.
func (f *faults) containers(uid any) []container.Summary {
	args := filters.NewArgs(filters.Arg("label", "minik.dev/cluster="+f.cluster))
	if f.cluster == "" {
		args = filters.NewArgs()
	}
	if uid != nil {
		args.Add("label", fmt.Sprintf("io.kubernetes.pod.uid=%s", uid))
	}
	list, err := f.engine.ContainerList(f.t.Context(), container.ListOptions{All: true, Filters: args})
	require.NoError(f.t, err)
	return list
}

// settle waits until every pod is ready, and runs exactly once.
func (f *faults) settle() {
	var why string
	require.Eventually(f.t, func() bool {
		why = f.unsettled()
		return why == ""
	}, faultPatience, 20*time.Millisecond, "%s", &why)
}

// unsettled says what is not as it must be, or nothing.
func (f *faults) unsettled() string {
	pods := f.pods()
	if len(pods) != faultPods {
		return fmt.Sprintf("there are %d pods", len(pods))
	}
	uids := map[string]bool{}
	for _, pod := range pods {
		uids[string(pod.UID)] = true
		if pod.DeletionTimestamp != nil || len(pod.Status.ContainerStatuses) == 0 || !pod.Status.ContainerStatuses[0].Ready {
			return fmt.Sprintf("pod %s is not ready", pod.Name)
		}
		running := map[string]int{}
		for _, c := range f.containers(pod.UID) {
			if c.State == "running" {
				running[c.Labels["io.kubernetes.container.name"]]++
			}
		}
		if len(running) != 2 || running["POD"] != 1 || running[faultApp] != 1 {
			return fmt.Sprintf("pod %s runs %v", pod.Name, running)
		}
	}
	if f.cluster != "" {
		for _, c := range f.containers(nil) {
			if !uids[c.Labels["io.kubernetes.pod.uid"]] {
				return fmt.Sprintf("%v is left", c.Names)
			}
		}
	}
	return ""
}

// crash kills the whole of minik and starts it again: nothing that runs notices.
func (f *faults) crash() {
	state := func() map[string]int32 {
		out := map[string]int32{}
		for _, pod := range f.pods() {
			out[pod.Status.ContainerStatuses[0].ContainerID] = pod.Status.ContainerStatuses[0].RestartCount
		}
		return out
	}
	before := state()
	f.process.kill(f.t)
	f.start()
	f.settle()
	require.Equal(f.t, before, state(), "containers were not adopted as they were")
}

// victim is one of the containers that ended least often, so that none has to wait for long, and the pod's sandbox.
func (f *faults) victim() (pod corev1.Pod, id, sandbox string) {
	pods := f.pods()
	f.random.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	pod = pods[0]
	for _, p := range pods {
		if p.Status.ContainerStatuses[0].RestartCount < pod.Status.ContainerStatuses[0].RestartCount {
			pod = p
		}
	}
	for _, c := range f.containers(pod.UID) {
		switch {
		case c.State != "running":
		case c.Labels["io.kubernetes.container.name"] == "POD":
			sandbox = c.ID
		default:
			id = c.ID
		}
	}
	return pod, id, sandbox
}

// restarted waits until the pod, which is the same one, has started its container once more.
func (f *faults) restarted(was corev1.Pod) {
	require.Eventually(f.t, func() bool {
		is, err := f.api.CoreV1().Pods("default").Get(f.t.Context(), was.Name, metav1.GetOptions{})
		require.NoError(f.t, err)
		require.Equal(f.t, was.UID, is.UID)
		return is.Status.ContainerStatuses[0].RestartCount == was.Status.ContainerStatuses[0].RestartCount+1
	}, faultPatience, 20*time.Millisecond, "pod %s was not started again", was.Name)
}

func (f *faults) killContainer() {
	pod, id, _ := f.victim()
	require.NoError(f.t, f.engine.ContainerKill(f.t.Context(), id, "SIGKILL"))
	f.restarted(pod)
}

func (f *faults) removeContainer() {
	pod, id, _ := f.victim()
	require.NoError(f.t, f.engine.ContainerRemove(f.t.Context(), id, container.RemoveOptions{Force: true}))
	f.restarted(pod)
}

func (f *faults) removeSandbox() {
	pod, _, sandbox := f.victim()
	require.NoError(f.t, f.engine.ContainerRemove(f.t.Context(), sandbox, container.RemoveOptions{Force: true}))
	f.restarted(pod)
}

func (f *faults) deletePod() {
	pod, _, _ := f.victim()
	require.NoError(f.t, f.api.CoreV1().Pods("default").Delete(f.t.Context(), pod.Name, metav1.DeleteOptions{}))
	f.gone(pod.Name)
}

func (f *faults) deletePulling() {
	name := fmt.Sprintf("pulling-%d", f.random.Uint32())
	_, err := f.api.CoreV1().Pods("default").Create(f.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: ptr.To[int64](1),
			Containers: []corev1.Container{{Name: "c", Image: "registry.invalid/none:1"}}},
	}, metav1.CreateOptions{})
	require.NoError(f.t, err)
	require.Eventually(f.t, func() bool {
		pod, err := f.api.CoreV1().Pods("default").Get(f.t.Context(), name, metav1.GetOptions{})
		return err == nil && pod.Spec.NodeName != ""
	}, faultPatience, 5*time.Millisecond)
	require.NoError(f.t, f.api.CoreV1().Pods("default").Delete(f.t.Context(), name, metav1.DeleteOptions{}))
	f.gone(name)
}

func (f *faults) gone(name string) {
	require.Eventually(f.t, func() bool {
		_, err := f.api.CoreV1().Pods("default").Get(f.t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, faultPatience, 20*time.Millisecond, "pod %s stays", name)
}
