package sim_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/runtimetest"
	"minik.dev/kubelet/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	for _, listen := range []bool{false, true} {
		t.Run("listen="+strconv.FormatBool(listen), func(t *testing.T) {
			runtimetest.Run(t, func(*testing.T) runtimetest.Subject {
				return runtimetest.Subject{
					Runtime: sim.New(sim.Options{Node: "node-1", Listen: listen, Address: anyPort}),
					Prepare: func(pod *corev1.Pod) {
						pod.Annotations = map[string]string{}
						for i := range pod.Spec.Containers {
							c := &pod.Spec.Containers[i]
							c.Image = "nginx:1.27"
							switch {
							case c.Name == runtimetest.Fails:
								pod.Annotations["sim.minik.dev/fails.fail-after"] = "1ms"
								pod.Annotations["sim.minik.dev/fails.exit-code"] = "3"
							case strings.HasPrefix(c.Name, runtimetest.Stubborn):
								pod.Annotations["sim.minik.dev/"+c.Name+".stop-delay"] = "24h"
							}
						}
					},
				}
			})
		})
	}
}

// anyPort listens on any free port of this machine.
func anyPort(string, int32) string { return "127.0.0.1:0" }

func podOf(name string, containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{Containers: containers}}
}

// drive runs the runtime until the test ends; the channel has something after each change.
func drive(t *testing.T, r *sim.Runtime) <-chan types.UID {
	changed := make(chan types.UID, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx, func(uid types.UID) { changed <- uid })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return changed
}

func list(t *testing.T, r *sim.Runtime, pod *corev1.Pod) runtime.Pod {
	pods, err := r.Pods(t.Context(), pod.UID)
	require.NoError(t, err)
	require.Len(t, pods, 1)
	return pods[0]
}

func start(t *testing.T, r *sim.Runtime, pod *corev1.Pod, attempt int32) string {
	id, err := r.StartContainer(t.Context(),
		runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0], Attempt: attempt,
			Env: []runtime.EnvVar{{Name: "COLOUR", Value: "green"}}})
	require.NoError(t, err)
	return id
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

func get(t *testing.T, url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestContainersAnswerHTTP(t *testing.T) {
	address := freePort(t)
	r := sim.New(sim.Options{Node: "node-1", Listen: true, Address: func(string, int32) string { return address }})
	changed := drive(t, r)
	pod := podOf("web", corev1.Container{Name: "a", Image: "nginx:1.27",
		Ports: []corev1.ContainerPort{{ContainerPort: 80}}})
	require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
	start(t, r, pod, 0)
	<-changed
	answer := get(t, "http://"+address+"/shop")
	for _, want := range []string{"hostname: web\n", "node: node-1\n", "image: nginx:1.27\n", "path: /shop\n"} {
		require.Contains(t, answer, want)
	}
	require.Equal(t, "COLOUR=green\n", get(t, "http://"+address+"/env"))

	// A second pod at the same address cannot have the port, and says so.
	other := podOf("other", pod.Spec.Containers[0])
	require.NoError(t, r.StartSandbox(t.Context(), other, 0))
	start(t, r, other, 0)
	require.Eventually(t, func() bool { return list(t, r, other).Containers[0].State == runtime.Exited },
		10*time.Second, 5*time.Millisecond)
	require.Equal(t, "listening on "+address+": bind: address already in use", list(t, r, other).Containers[0].Message)

	require.NoError(t, r.Stop(t.Context(), list(t, r, pod).Sandbox.ID, 0))
	_, err := net.Dial("tcp", address)
	require.Error(t, err, "an ended container still listens")
}

// A container that declares no port listens on the one that its image is known for, as it would for real.
func TestKnownImagesListenWithoutDeclaredPorts(t *testing.T) {
	for _, test := range []struct {
		container corev1.Container
		port      int32
	}{
		{corev1.Container{Image: "nginx"}, 80},
		{corev1.Container{Image: "docker.io/library/redis:7"}, 6379},
		{corev1.Container{Image: "gcr.io/google-samples/hello-app:1.0"}, 8080},
		{corev1.Container{Image: "nginx", Ports: []corev1.ContainerPort{{ContainerPort: 8081}}}, 8081},
		{corev1.Container{Image: "something-else"}, 0},
	} {
		address := freePort(t)
		asked := make(chan int32, 8)
		r := sim.New(sim.Options{Node: "node-1", Listen: true, Address: func(_ string, port int32) string {
			asked <- port
			return address
		}})
		changed := drive(t, r)
		test.container.Name = "a"
		pod := podOf("web", test.container)
		require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
		start(t, r, pod, 0)
		<-changed
		if test.port == 0 {
			require.Empty(t, asked, test.container.Image)
			continue
		}
		require.Equal(t, test.port, <-asked, test.container.Image)
		require.Empty(t, asked, test.container.Image)
	}
}

// A job-like container ends by itself after a second, a long-running one does not, and nothing happens without time.
func TestTimeComesFromTheClock(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Unix(1e9, 0))
	r := sim.New(sim.Options{Clock: clock, Jitter: func(time.Duration) time.Duration { return 0 }})
	changed := drive(t, r)
	job, web := podOf("job", corev1.Container{Name: "a"}), podOf("web", corev1.Container{Name: "a"})
	job.Spec.RestartPolicy, web.Spec.RestartPolicy = corev1.RestartPolicyNever, corev1.RestartPolicyAlways
	for _, pod := range []*corev1.Pod{job, web} {
		require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
		start(t, r, pod, 0)
		require.Equal(t, runtime.Starting, list(t, r, pod).Containers[0].State)
	}
	step := func(d time.Duration) {
		require.Eventually(t, clock.HasWaiters, 10*time.Second, time.Millisecond)
		clock.Step(d)
		<-changed
	}
	step(20 * time.Millisecond)
	<-changed
	require.Equal(t, runtime.Running, list(t, r, job).Containers[0].State)
	step(time.Second)
	require.Equal(t, runtime.Exited, list(t, r, job).Containers[0].State)
	require.Zero(t, list(t, r, job).Containers[0].ExitCode)
	require.Equal(t, runtime.Running, list(t, r, web).Containers[0].State)
}

func TestAddressesAreNotReusedWhileInUse(t *testing.T) {
	r := sim.New(sim.Options{PodCIDR: netip.MustParsePrefix("10.244.3.0/29")})
	var ips []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		require.NoError(t, r.StartSandbox(t.Context(), podOf(name), 0))
		ips = append(ips, list(t, r, podOf(name)).Sandbox.IPs[0])
	}
	require.Equal(t, []string{"10.244.3.2", "10.244.3.3", "10.244.3.4", "10.244.3.5", "10.244.3.6"}, ips)
	err := r.StartSandbox(t.Context(), podOf("f"), 0)
	require.EqualError(t, err, "no pod address is free in 10.244.3.0/29: 5 are in use")
	require.NoError(t, r.Stop(t.Context(), list(t, r, podOf("c")).Sandbox.ID, 0))
	require.NoError(t, r.StartSandbox(t.Context(), podOf("f"), 0))
	require.Equal(t, "10.244.3.4", list(t, r, podOf("f")).Sandbox.IPs[0])
}

func TestImagesThatDoNotExist(t *testing.T) {
	for _, test := range []struct {
		image, allowed, says string
	}{
		{image: "nginx"},
		{image: "registry.k8s.io/pause:3.10"},
		{image: "localhost:5000/shop:1"},
		{image: "your-backend-image:latest", says: `a name that starts with "your-" stands for an image of your own`},
		{image: "ghcr.io/your-name/shop", says: "pull access denied"},
		{image: "your-backend-image:latest", allowed: "your-backend-image"},
		{image: "your-backend-image:latest", allowed: "your-*"},
		{image: "your-order-image:latest", allowed: "your-backend-*", says: "pull access denied"},
		{image: "registry.invalid/shop:1", says: "lookup registry.invalid: no such host"},
		{image: "registry.example.com:5000/shop", says: "lookup registry.example.com: no such host"},
	} {
		r := sim.New(sim.Options{Images: []string{test.allowed}})
		pod := podOf("web", corev1.Container{Name: "a", Image: test.image})
		_, err := r.PullImage(t.Context(), runtime.PullRequest{Pod: pod, Container: &pod.Spec.Containers[0],
			Image: pod.Spec.Containers[0].Image, Policy: corev1.PullAlways}, func() {})
		if test.says == "" {
			require.NoError(t, err, test.image)
		} else {
			require.ErrorContains(t, err, test.says, test.image)
		}
	}
}

func TestAnnotationsThatCannotBeRead(t *testing.T) {
	r := sim.New(sim.Options{})
	for annotation, says := range map[string]string{
		"sim.minik.dev/exit-code=256":  `"256" is not between 0 and 255`,
		"sim.minik.dev/run-for=soon":   `invalid duration "soon"`,
		"sim.minik.dev/colour=green":   `unknown key "colour"`,
		"sim.minik.dev/b.run-for=1s":   `the pod has no container "b"`,
		"sim.minik.dev/a.stop-delay=x": `invalid duration "x"`,
	} {
		key, value, _ := strings.Cut(annotation, "=")
		pod := podOf("web-"+strconv.Itoa(len(annotation)), corev1.Container{Name: "a"})
		pod.UID = types.UID(annotation)
		pod.Annotations = map[string]string{key: value}
		require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
		_, err := r.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0]})
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, key)
	}
}

// After the process was killed, what ran runs again under its ID and address, without a restart.
func TestAdopt(t *testing.T) {
	pod := podOf("web", corev1.Container{Name: "a"}, corev1.Container{Name: "b"})
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.244.0.9"}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "a", ContainerID: "sim://a2", RestartCount: 2, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.Unix(1e9, 0)}}},
		{Name: "b", ContainerID: "sim://b0", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7}}},
	}
	done := podOf("done", corev1.Container{Name: "a"})
	done.Status.Phase = corev1.PodSucceeded
	r := sim.New(sim.Options{})
	require.NoError(t, r.Adopt(t.Context(), []*corev1.Pod{pod, done}))
	adopted := list(t, r, pod)
	require.Equal(t, []string{"10.244.0.9"}, adopted.Sandbox.IPs)
	require.Equal(t, runtime.Running, adopted.Containers[0].State)
	require.Equal(t, "sim://a2", adopted.Containers[0].ID)
	require.EqualValues(t, 2, adopted.Containers[0].Attempt)
	require.Equal(t, runtime.Exited, adopted.Containers[1].State)
	require.EqualValues(t, 7, adopted.Containers[1].ExitCode)
	pods, err := r.Pods(t.Context(), done.UID)
	require.NoError(t, err)
	require.Empty(t, pods)
}

// A status is written by others: what it says of addresses counts where they are the node's to give.
func TestAdoptTakesNoOtherAddress(t *testing.T) {
	running := []corev1.ContainerStatus{{Name: "a", ContainerID: "sim://a0", State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: metav1.Unix(1e9, 0)}}}}
	host, other := podOf("host", corev1.Container{Name: "a"}), podOf("other", corev1.Container{Name: "a"})
	host.Spec.HostNetwork = true
	for _, pod := range []*corev1.Pod{host, other} {
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.0.0.1", ContainerStatuses: running}
	}
	r := sim.New(sim.Options{})
	require.NoError(t, r.Adopt(t.Context(), []*corev1.Pod{host, other}))
	require.Equal(t, []string{"10.244.0.1"}, list(t, r, host).Sandbox.IPs)
	pods, err := r.Pods(t.Context(), other.UID)
	require.NoError(t, err)
	require.Empty(t, pods)
}
