package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

func request(pod *corev1.Pod, change func(*surroundings)) createRequest {
	around := surroundings{name: "unique", sandbox: "box", memory: 8 << 30, labels: map[string]string{labelCluster: "test"}}
	if change != nil {
		change(&around)
	}
	return containerRequest(runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0], Attempt: 2,
		ImageID: "docker://sha256:1", Env: []runtime.EnvVar{{Name: "A", Value: "b"}}, Command: []string{"run"},
		Args: []string{"fast"}}, around)
}

func podOf(c corev1.Container) *corev1.Pod {
	c.Name, c.Image = "app", "app:1"
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u-1"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
}

func quantities(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func TestAContainerJoinsItsSandbox(t *testing.T) {
	got := request(podOf(corev1.Container{WorkingDir: "/w", TTY: true, Stdin: true}), nil)
	require.Equal(t, "unique", got.name)
	require.Equal(t, container.NetworkMode("container:box"), got.host.NetworkMode)
	require.Equal(t, container.IpcMode("container:box"), got.host.IpcMode)
	require.Equal(t, "sha256:1", got.config.Image)
	require.Equal(t, []string{"run"}, []string(got.config.Entrypoint))
	require.Equal(t, []string{"fast"}, []string(got.config.Cmd))
	require.Equal(t, []string{"A=b"}, got.config.Env)
	require.True(t, got.config.Tty && got.config.OpenStdin)
	require.Equal(t, "/w", got.config.WorkingDir)
	require.Equal(t, map[string]string{labelCluster: "test", labelContainer: "app", labelAttempt: "2", labelImage: "app:1"},
		got.config.Labels)
}

// https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/: requests are shares, limits quotas.
func TestResources(t *testing.T) {
	for name, c := range map[string]struct {
		requests, limits      corev1.ResourceList
		shares, quota, memory int64
	}{
		"none":             {nil, nil, 2, 0, 0},
		"requests":         {quantities("500m", "64Mi"), nil, 512, 0, 0},
		"both":             {quantities("250m", "64Mi"), quantities("1500m", "128Mi"), 256, 150_000, 128 << 20},
		"limits alone":     {nil, quantities("2", "1Gi"), 2048, 200_000, 1 << 30},
		"almost no limits": {nil, quantities("1m", "1Mi"), 2, 1000, 1 << 20},
	} {
		got := request(podOf(corev1.Container{Resources: corev1.ResourceRequirements{Requests: c.requests, Limits: c.limits}}),
			nil).host
		require.Equal(t, c.shares, got.CPUShares, name)
		require.Equal(t, c.quota, got.CPUQuota, name)
		require.Equal(t, c.memory, got.Memory, name)
		require.Equal(t, c.memory, got.MemorySwap, "%s: there is no swap", name)
	}
}

// https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior
func TestWhoIsKilledFirst(t *testing.T) {
	for class, want := range map[corev1.PodQOSClass]int{
		corev1.PodQOSGuaranteed: 0, corev1.PodQOSBestEffort: 1000, corev1.PodQOSBurstable: 750,
	} {
		pod := podOf(corev1.Container{Resources: corev1.ResourceRequirements{Requests: quantities("1", "2Gi")}})
		pod.Status.QOSClass = class
		require.Equal(t, want, request(pod, nil).host.OomScoreAdj, class)
	}
}

func TestSecurity(t *testing.T) {
	pod := podOf(corev1.Container{SecurityContext: &corev1.SecurityContext{
		RunAsGroup: ptr.To[int64](7), ReadOnlyRootFilesystem: ptr.To(true), AllowPrivilegeEscalation: ptr.To(false),
		Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
	}})
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](5), FSGroup: ptr.To[int64](9),
		SupplementalGroups: []int64{8}, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	got := request(pod, nil)
	require.Equal(t, "5:7", got.config.User)
	require.True(t, got.host.ReadonlyRootfs)
	require.Equal(t, []string{"no-new-privileges"}, got.host.SecurityOpt)
	require.Equal(t, []string{"NET_ADMIN"}, []string(got.host.CapAdd))
	require.Equal(t, []string{"ALL"}, []string(got.host.CapDrop))
	require.Equal(t, []string{"8", "9"}, got.host.GroupAdd)
	require.False(t, got.host.Privileged)

	pod.Spec.SecurityContext.RunAsUser = nil
	require.Equal(t, "nobody:7", request(pod, func(a *surroundings) { a.user = "nobody:nogroup" }).config.User)
	plain := request(podOf(corev1.Container{SecurityContext: &corev1.SecurityContext{Privileged: ptr.To(true)}}), nil)
	require.True(t, plain.host.Privileged)
	require.Empty(t, plain.host.SecurityOpt, "the engine itself confines no privileged container")
}

// What the engine is asked for; seccomp_test.go sees what it makes of that.
func TestSeccomp(t *testing.T) {
	local := &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr.To("p.json")}
	for _, c := range []struct {
		pod, container *corev1.SeccompProfile
		privileged     bool
		want           []string
	}{
		{nil, nil, false, nil},
		{nil, profile(corev1.SeccompProfileTypeRuntimeDefault), false, nil},
		{profile(corev1.SeccompProfileTypeUnconfined), nil, false, []string{"seccomp=unconfined"}},
		{local, nil, false, []string{"seccomp={}"}},
		{local, profile(corev1.SeccompProfileTypeUnconfined), false, []string{"seccomp=unconfined"}},
		{profile(corev1.SeccompProfileTypeUnconfined), local, false, []string{"seccomp={}"}},
		{nil, local, true, nil},
	} {
		pod := podOf(corev1.Container{SecurityContext: &corev1.SecurityContext{SeccompProfile: c.container,
			Privileged: &c.privileged}})
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: c.pod}
		got := containerRequest(runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0], Seccomp: "{}"},
			surroundings{labels: map[string]string{}})
		require.Equal(t, c.want, got.host.SecurityOpt)
	}
}

// https://kubernetes.io/docs/tutorials/security/apparmor/: a node without AppArmor refuses who asks to be confined by it.
func TestAppArmor(t *testing.T) {
	appArmor := func(kind corev1.AppArmorProfileType, name *string) *corev1.AppArmorProfile {
		return &corev1.AppArmorProfile{Type: kind, LocalhostProfile: name}
	}
	const refused = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
	for _, c := range []struct {
		pod, container *corev1.AppArmorProfile
		want           []string
		without        string // what a node without AppArmor says
	}{
		{nil, nil, nil, ""},
		{nil, appArmor(corev1.AppArmorProfileTypeRuntimeDefault, nil), nil, refused},
		{nil, appArmor(corev1.AppArmorProfileTypeUnconfined, nil), []string{"apparmor=unconfined"}, ""},
		{appArmor(corev1.AppArmorProfileTypeLocalhost, ptr.To("strict")), nil, []string{"apparmor=strict"}, refused},
		{appArmor(corev1.AppArmorProfileTypeLocalhost, ptr.To("strict")),
			appArmor(corev1.AppArmorProfileTypeUnconfined, nil), []string{"apparmor=unconfined"}, ""},
	} {
		pod := podOf(corev1.Container{SecurityContext: &corev1.SecurityContext{AppArmorProfile: c.container}})
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: c.pod}
		require.Equal(t, c.want, request(pod, nil).host.SecurityOpt)
		require.NoError(t, verifyAppArmor(pod, &pod.Spec.Containers[0], true))
		err := verifyAppArmor(pod, &pod.Spec.Containers[0], false)
		if c.without == "" {
			require.NoError(t, err)
			continue
		}
		var config *runtime.ConfigError
		require.ErrorAs(t, err, &config)
		require.EqualError(t, err, c.without)
	}
}

func TestWhoMustNotBeRoot(t *testing.T) {
	for _, c := range []struct {
		user  *int64
		image string
		want  string
	}{
		{nil, "", "image will run as root"}, {nil, "0:0", "image will run as root"}, {nil, "root", "image will run as root"},
		{nil, "www", "non-numeric user (www)"}, {nil, "1000", ""}, {ptr.To[int64](3), "root", ""},
		{ptr.To[int64](0), "1000", "runAsUser breaks non-root policy"},
	} {
		pod := podOf(corev1.Container{SecurityContext: &corev1.SecurityContext{RunAsNonRoot: ptr.To(true), RunAsUser: c.user}})
		err := verifyNonRoot(pod, &pod.Spec.Containers[0], c.image)
		if c.want == "" {
			require.NoError(t, err, c.image)
			continue
		}
		var refused *runtime.ConfigError
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, c.want)
	}
}

// Each device is one container's at a time.
func TestGPUs(t *testing.T) {
	r := NewRuntime(&Engine{}, Options{GPUs: []string{"4", "5"}})
	one := &corev1.Container{Name: "a", Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{gpuResource: resource.MustParse("1")}}}
	first, _, err := r.takeGPUs(one)
	require.NoError(t, err)
	second, give, err := r.takeGPUs(one)
	require.NoError(t, err)
	require.Equal(t, []string{"4"}, first)
	require.Equal(t, []string{"5"}, second)
	_, _, err = r.takeGPUs(one)
	require.ErrorContains(t, err, "needs 1 of nvidia.com/gpu, and 0 of the node's 2 are free")
	give()
	r.containers["x"] = &record{name: "b", gpus: []string{"5"}, container: runtime.Container{State: runtime.Running}}
	_, _, err = r.takeGPUs(one)
	require.Error(t, err, "a running container has it by now")
	r.containers["x"].container.State = runtime.Exited
	again, _, err := r.takeGPUs(one)
	require.NoError(t, err)
	require.Equal(t, []string{"5"}, again)
	got := request(podOf(*one), func(a *surroundings) { a.gpus = again })
	require.Equal(t, []container.DeviceRequest{{DeviceIDs: []string{"5"}, Capabilities: [][]string{{"gpu"}}}},
		got.host.DeviceRequests)
	require.Equal(t, "5", got.config.Labels[labelGPUs])
}
