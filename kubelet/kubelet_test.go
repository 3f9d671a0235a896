package kubelet_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	fcache "k8s.io/client-go/tools/cache/testing"
	"k8s.io/utils/ptr"

	"minik.dev/api"
	"minik.dev/kubelet"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 20 * time.Second
	often    = 5 * time.Millisecond
)

// machine is a node: a client without a server, a power switch, and kubelets that come and go.
type machine struct {
	client   *fake.Clientset
	controls *fcache.FakeControllerSource
	runtime  *sim.Runtime
	options  kubelet.Options
	// wrap makes of the simulated runtime the one that the kubelet is given.
	wrap func(*sim.Runtime) runtime.Runtime
	// switchOff ends the power switch's own goroutine.
	switchOff func()
}

func newMachine(objects ...*corev1.Pod) *machine {
	m := &machine{client: fake.NewClientset(), controls: fcache.NewFakeControllerSource()}
	m.switchOff = sync.OnceFunc(m.controls.Shutdown)
	for _, pod := range objects {
		_ = m.client.Tracker().Add(pod)
	}
	m.options = kubelet.Options{Node: "node-1", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
		IPs: []netip.Addr{netip.MustParseAddr("10.244.1.1")}, Dial: (&net.Dialer{}).DialContext,
		Logger: slog.New(slog.DiscardHandler)}
	return m
}

// start runs a kubelet with a runtime that knows nothing, until the test ends or stop is called.
func (m *machine) start(t *testing.T) (stop func()) {
	t.Cleanup(m.switchOff)
	m.runtime = sim.New(sim.Options{Node: "node-1", PodCIDR: netip.MustParsePrefix("10.244.1.0/24")})
	m.options.Runtime = m.runtime
	if m.wrap != nil {
		m.options.Runtime = m.wrap(m.runtime)
	}
	k, err := kubelet.NewForTest(m.client, m.controls, m.options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Run did not return after its context was done")
		}
	})
	t.Cleanup(stop)
	return stop
}

func (m *machine) pod(t *testing.T, name string) *corev1.Pod {
	pod, err := m.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return pod
}

// until waits for the pod to be so.
func (m *machine) until(t *testing.T, name string, is func(*corev1.Pod) bool) *corev1.Pod {
	var pod *corev1.Pod
	require.Eventually(t, func() bool { pod = m.pod(t, name); return is(pod) }, patience, often)
	return pod
}

func (m *machine) events(t *testing.T) []string {
	list, err := m.client.CoreV1().Events("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var out []string
	for _, e := range list.Items {
		out = append(out, e.InvolvedObject.Name+" "+e.Reason+": "+e.Message)
	}
	return out
}

func (m *machine) sees(t *testing.T, event string) {
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(m.events(t), func(e string) bool { return strings.HasPrefix(e, event) })
	}, patience, often, "event %q", event)
}

func bound(name string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{NodeName: "node-1", RestartPolicy: corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: ptr.To[int64](30),
			Containers:                    []corev1.Container{{Name: "a", Image: "nginx:1.27"}}}}
	if change != nil {
		change(pod)
	}
	return pod
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func TestPodRunsAndIsDeleted(t *testing.T) {
	m := newMachine(bound("web", nil))
	m.start(t)
	pod := m.until(t, "web", ready)
	require.Equal(t, corev1.PodRunning, pod.Status.Phase)
	require.Equal(t, "10.244.1.2", pod.Status.PodIP)
	require.Equal(t, "10.244.1.1", pod.Status.HostIP)
	require.Equal(t, corev1.PodQOSBestEffort, pod.Status.QOSClass)
	for _, event := range []string{`web Pulling: Pulling image "nginx:1.27"`, `web Pulled: Successfully pulled image`,
		"web Created: Created container: a", "web Started: Started container a"} {
		m.sees(t, event)
	}
	told, err := m.client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, event := range told.Items {
		require.Equal(t, corev1.EventSource{Component: "kubelet", Host: "node-1"}, event.Source)
	}
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = ptr.To(metav1.Now()), ptr.To[int64](30)
	_, err = m.client.CoreV1().Pods("default").Update(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		pods, err := m.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(pods.Items) == 0
	}, patience, often)
	m.sees(t, "web Killing: Stopping container a")
	require.Eventually(t, func() bool { return m.running(t) == 0 }, patience, often)
}

func (m *machine) running(t *testing.T) int {
	pods, err := m.runtime.Pods(t.Context())
	require.NoError(t, err)
	return len(pods)
}

func TestNodeRegisters(t *testing.T) {
	m := newMachine()
	m.start(t)
	var node *corev1.Node
	require.Eventually(t, func() bool {
		var err error
		node, err = m.client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		return err == nil && len(node.Status.Conditions) == 4
	}, patience, often)
	require.Equal(t, "10.244.1.0/24", node.Spec.PodCIDR)
	require.Equal(t, "node-1", node.Labels[corev1.LabelHostname])
	require.Equal(t, "sim://1.0.0", node.Status.NodeInfo.ContainerRuntimeVersion)
	require.EqualValues(t, 10250, node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	require.Equal(t, "110", node.Status.Allocatable.Pods().String())
	require.Eventually(t, func() bool {
		lease, err := m.client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), "node-1", metav1.GetOptions{})
		return err == nil && *lease.Spec.LeaseDurationSeconds == 8
	}, patience, often)
	m.sees(t, "node-1 Starting: Starting kubelet.")
	m.sees(t, "node-1 NodeReady: Node node-1 status is now: NodeReady")
}

func TestPowerCut(t *testing.T) {
	m := newMachine(bound("web", nil))
	m.start(t)
	m.until(t, "web", ready)
	control := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: "kubelet.node-1"}, Spec: api.ControlSpec{Stopped: true}}
	m.controls.Add(control)
	require.Eventually(t, func() bool { return m.running(t) == 0 }, patience, often)
	require.True(t, ready(m.pod(t, "web")), "a node without power reports nothing")

	control = control.DeepCopy()
	control.Spec.Stopped = false
	m.controls.Modify(control)
	pod := m.until(t, "web", func(pod *corev1.Pod) bool {
		return ready(pod) && pod.Status.ContainerStatuses[0].RestartCount == 1
	})
	require.EqualValues(t, 137, pod.Status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode)
	m.sees(t, "node-1 Rebooted: Node node-1 has been rebooted")
}

func TestNodeStaysStopped(t *testing.T) {
	m := newMachine(bound("web", nil))
	control := &api.Control{ObjectMeta: metav1.ObjectMeta{Name: "kubelet.node-1"}, Spec: api.ControlSpec{Stopped: true}}
	m.controls.Add(control)
	m.start(t)
	require.Never(t, func() bool { return m.running(t) > 0 || len(m.client.Actions()) > 0 }, 50*time.Millisecond, often)
	m.controls.Delete(control.DeepCopy())
	m.until(t, "web", ready)
}

// A simulated kubelet that was killed rebuilds its containers without a restart; one that ended by Ctrl-C restarts
// them.
func TestStartAgain(t *testing.T) {
	for name, kill := range map[string]bool{"killed": false, "ended": true} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(bound("web", nil))
			m.options.KillOnExit = kill
			stop := m.start(t)
			before := m.until(t, "web", ready)
			m.sees(t, "node-1 NodeReady")
			stop()
			if kill {
				require.Zero(t, m.running(t))
			}
			m.start(t)
			want := int32(0)
			if kill {
				want = 1
			}
			pod := m.until(t, "web", func(pod *corev1.Pod) bool {
				return m.running(t) == 1 && ready(pod) && pod.Status.ContainerStatuses[0].RestartCount == want
			})
			if !kill {
				require.Equal(t, before.Status, pod.Status)
			}
		})
	}
}

func TestJobSucceeds(t *testing.T) {
	m := newMachine(bound("job", func(pod *corev1.Pod) {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		pod.Annotations = map[string]string{"sim.minik.dev/run-for": "10ms"}
		pod.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "busybox:1"}}
	}))
	m.start(t)
	pod := m.until(t, "job", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
	require.Equal(t, "Completed", pod.Status.ContainerStatuses[0].State.Terminated.Reason)
	require.Equal(t, "Completed", pod.Status.InitContainerStatuses[0].State.Terminated.Reason)
}

func TestImageAndConfigurationThatAreMissing(t *testing.T) {
	m := newMachine(
		bound("image", func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "your-backend-image:latest" }),
		bound("config", func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "COLOUR", ValueFrom: &corev1.EnvVarSource{
				ConfigMapKeyRef: &corev1.ConfigMapKeySelector{Key: "colour",
					LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}}
		}),
		bound("volume", func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{
				Secret: &corev1.SecretVolumeSource{SecretName: "keys"}}}}
		}))
	m.start(t)
	waits := func(name, reason, message string) {
		m.until(t, name, func(pod *corev1.Pod) bool {
			s := pod.Status.ContainerStatuses
			return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == reason &&
				strings.Contains(s[0].State.Waiting.Message, message)
		})
	}
	waits("image", "ErrImagePull", `--sim-images your-backend-image:latest`)
	waits("config", "CreateContainerConfigError", `configmap "settings" not found`)
	waits("volume", "ContainerCreating", "")
	m.sees(t, `volume FailedMount: MountVolume.SetUp failed for volume "files" : secret "keys" not found`)
	waits("image", "ImagePullBackOff", `Back-off pulling image "your-backend-image:latest"`)
	m.sees(t, `image BackOff: Back-off pulling image "your-backend-image:latest"`)

	// What was missing appears, and the pod starts.
	_, err := m.client.CoreV1().Secrets("default").Create(t.Context(),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	m.until(t, "volume", ready)
}

func TestProbesRestartAndUnready(t *testing.T) {
	probe := func() *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1,
			ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
	}
	m := newMachine(
		bound("unready", func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{"sim.minik.dev/unready": "true"}
			pod.Spec.Containers[0].ReadinessProbe = probe()
		}),
		bound("unhealthy", func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{"sim.minik.dev/unhealthy-after": "1ms"}
			pod.Spec.Containers[0].LivenessProbe = probe()
		}),
		bound("fine", func(pod *corev1.Pod) {
			pod.Spec.Containers[0].ReadinessProbe, pod.Spec.Containers[0].LivenessProbe = probe(), probe()
		}))
	m.start(t)
	m.until(t, "fine", ready)
	m.until(t, "unhealthy", func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount > 0
	})
	m.sees(t, "unhealthy Killing: Container a failed liveness probe, will be restarted")
	m.sees(t, "unready Unhealthy: Readiness probe failed: dial tcp 10.244.1.")
	require.False(t, ready(m.pod(t, "unready")))
}
