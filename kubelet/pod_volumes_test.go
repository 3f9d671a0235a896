package kubelet_test

import (
	"context"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// recorder is a simulated runtime that remembers what it is handed, and keeps emptyDirs by name.
type recorder struct {
	*sim.Runtime
	// words are what each container writes to its termination log; put does something else to it.
	words string
	put   func(path string) error

	mu      sync.Mutex
	started []runtime.ContainerConfig
	pulls   []runtime.PullRequest
	kept    map[types.UID][]string
	removed []types.UID
}

func (r *recorder) StartContainer(ctx context.Context, config runtime.ContainerConfig) (string, error) {
	for _, m := range config.Mounts {
		if m.ContainerPath == corev1.TerminationMessagePathDefault {
			if err := os.WriteFile(m.HostPath, []byte(r.words), 0o600); err != nil {
				return "", err
			}
			if r.put != nil {
				if err := r.put(m.HostPath); err != nil {
					return "", err
				}
			}
		}
	}
	r.mu.Lock()
	r.started = append(r.started, config)
	r.mu.Unlock()
	return r.Runtime.StartContainer(ctx, config)
}

func (r *recorder) PullImage(ctx context.Context, request runtime.PullRequest, pulling func()) (string, error) {
	r.mu.Lock()
	r.pulls = append(r.pulls, request)
	r.mu.Unlock()
	return r.Runtime.PullImage(ctx, request, pulling)
}

func (r *recorder) StartSandbox(ctx context.Context, pod *corev1.Pod, attempt int32) error {
	r.mu.Lock()
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir != nil && !slices.Contains(r.kept[pod.UID], v.Name) {
			r.kept[pod.UID] = append(r.kept[pod.UID], v.Name)
		}
	}
	r.mu.Unlock()
	return r.Runtime.StartSandbox(ctx, pod, attempt)
}

func (r *recorder) Pods(ctx context.Context, uids ...types.UID) ([]runtime.Pod, error) {
	pods, err := r.Runtime.Pods(ctx, uids...)
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, names := range r.kept {
		at := slices.IndexFunc(pods, func(p runtime.Pod) bool { return p.UID == uid })
		switch {
		case at >= 0:
			pods[at].Volumes = slices.Clone(names)
		case len(uids) == 0 || slices.Contains(uids, uid):
			pods = append(pods, runtime.Pod{UID: uid, Volumes: slices.Clone(names)})
		}
	}
	return pods, err
}

func (r *recorder) RemoveVolumes(_ context.Context, uid types.UID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kept, uid)
	r.removed = append(r.removed, uid)
	return nil
}

// starts are the attempts at a container, by pod.
func (r *recorder) starts(uid types.UID) []runtime.ContainerConfig {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.started), func(c runtime.ContainerConfig) bool { return c.Pod.UID != uid })
}

// withFiles gives the machine a directory and a recorder.
func withFiles(t *testing.T, m *machine) (*recorder, string) {
	r := &recorder{kept: map[types.UID][]string{}}
	m.wrap = func(inner *sim.Runtime) runtime.Runtime { r.Runtime = inner; return r }
	m.options.Dir = t.TempDir()
	m.options.ClusterDNS = []netip.Addr{netip.MustParseAddr("10.96.0.10")}
	return r, m.options.Dir
}

func (m *machine) add(t *testing.T, objects ...any) {
	for _, obj := range objects {
		var err error
		switch o := obj.(type) {
		case *corev1.ConfigMap:
			_, err = m.client.CoreV1().ConfigMaps("default").Create(t.Context(), o, metav1.CreateOptions{})
		case *corev1.Secret:
			_, err = m.client.CoreV1().Secrets("default").Create(t.Context(), o, metav1.CreateOptions{})
		case *corev1.Service:
			_, err = m.client.CoreV1().Services("default").Create(t.Context(), o, metav1.CreateOptions{})
		}
		require.NoError(t, err)
	}
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "default", Name: name} }

// shopPod mounts the ConfigMap "shop" whole and one file of it, its own labels, and an emptyDir.
func shopPod() *corev1.Pod {
	return bound("web", func(pod *corev1.Pod) {
		pod.Labels = map[string]string{"app": "shop"}
		shop := corev1.LocalObjectReference{Name: "shop"}
		pod.Spec.Volumes = []corev1.Volume{
			{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: shop}}},
			{Name: "self", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
				Items: []corev1.DownwardAPIVolumeFile{{Path: "labels",
					FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}}}}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "settings", MountPath: "/settings"},
			{Name: "settings", MountPath: "/colour", SubPath: "colour"},
			{Name: "self", MountPath: "/self"},
			{Name: "scratch", MountPath: "/tmp"},
		}
	})
}

func reads(t *testing.T, text string, path ...string) {
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(path...))
		return err == nil && string(data) == text
	}, patience, often, "%v should be %q", path, text)
}

// https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
func TestFilesFollowWhatTheyAreMadeOf(t *testing.T) {
	m := newMachine(shopPod())
	r, dir := withFiles(t, m)
	shop := &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green"}}
	other := &corev1.ConfigMap{ObjectMeta: meta("other"), Data: map[string]string{"colour": "black"}}
	m.add(t, shop, other)
	m.start(t)
	pod := m.until(t, "web", ready)
	mounts := r.starts(pod.UID)[0].Mounts
	require.Len(t, mounts, 7)
	home := filepath.Join(dir, "pods", "uid-web")
	require.Equal(t, runtime.Mount{ContainerPath: "/settings", HostPath: filepath.Join(home, "volumes/settings"), ReadOnly: true}, mounts[0])
	require.Equal(t, runtime.Mount{ContainerPath: "/tmp", Volume: "scratch"}, mounts[3])
	hosts, err := os.ReadFile(mounts[4].HostPath)
	require.NoError(t, err)
	require.Contains(t, string(hosts), pod.Status.PodIP+"\tweb\n")
	resolv, err := os.ReadFile(mounts[5].HostPath)
	require.NoError(t, err)
	require.Contains(t, string(resolv), "search default.svc.cluster.local svc.cluster.local cluster.local")

	reads(t, "green", mounts[0].HostPath, "colour")
	part, err := os.Open(mounts[1].HostPath) // as a bind mount does
	require.NoError(t, err)
	defer part.Close()
	shop.Data = map[string]string{"colour": "blue", "size": "L"}
	require.Eventually(t, func() bool { // the client without a server loses what changes before the watch has begun
		_, err := m.client.CoreV1().ConfigMaps("default").Update(t.Context(), shop, metav1.UpdateOptions{})
		require.NoError(t, err)
		data, err := os.ReadFile(filepath.Join(mounts[0].HostPath, "colour"))
		return err == nil && string(data) == "blue"
	}, patience, often)
	reads(t, "L", mounts[0].HostPath, "size")
	old := make([]byte, 10)
	n, _ := part.Read(old)
	require.Equal(t, "green", string(old[:n]), "a file that is mounted by itself stays")

	pod = m.pod(t, "web")
	pod.Labels["app"] = "bakery"
	_, err = m.client.CoreV1().Pods("default").Update(t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(t, err)
	reads(t, "app=\"bakery\"\n", home, "volumes/self/labels")
	require.Len(t, r.starts(pod.UID), 1, "nothing was started again")

	require.Equal(t, []string{"scratch"}, r.kept[pod.UID])
	require.NoError(t, m.client.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	require.Eventually(t, func() bool {
		_, err := os.Stat(home)
		r.mu.Lock()
		defer r.mu.Unlock()
		return os.IsNotExist(err) && len(r.kept) == 0
	}, patience, often)
}

// A ConfigMap that is not there yet fails the mount; when it appears the pod starts. An immutable one is watched no more.
func TestVolumeWaitsForItsConfigMap(t *testing.T) {
	m := newMachine(shopPod())
	_, dir := withFiles(t, m)
	m.start(t)
	m.sees(t, `web FailedMount: MountVolume.SetUp failed for volume "settings" : configmap "shop" not found`)
	shop := &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green"}, Immutable: ptr.To(true)}
	m.add(t, shop)
	m.until(t, "web", ready)
	file := filepath.Join(dir, "pods/uid-web/volumes/settings/colour")
	reads(t, "green", file)
}

// A pod waits for the authorities that it trusts, and its file follows them.
// https://kubernetes.io/docs/concepts/storage/projected-volumes/#clustertrustbundle
func TestVolumeWaitsForItsTrustBundle(t *testing.T) {
	m := newMachine(bound("web", func(pod *corev1.Pod) {
		pod.Spec.Volumes = []corev1.Volume{{Name: "ca", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ClusterTrustBundle: &corev1.ClusterTrustBundleProjection{
				Name: ptr.To("corporate"), Path: "ca.pem"}}}}}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "ca", MountPath: "/ca"}}
	}))
	_, dir := withFiles(t, m)
	m.start(t)
	m.sees(t, `web FailedMount: MountVolume.SetUp failed for volume "ca" : while getting ClusterTrustBundle: `+
		`clustertrustbundle.certificates.k8s.io "corporate" not found`)
	anchor := func(text string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)}))
	}
	bundles := m.client.CertificatesV1().ClusterTrustBundles()
	corporate := &certificatesv1.ClusterTrustBundle{ObjectMeta: metav1.ObjectMeta{Name: "corporate"}}
	corporate.Spec.TrustBundle = anchor("old")
	_, err := bundles.Create(t.Context(), corporate, metav1.CreateOptions{})
	require.NoError(t, err)
	m.until(t, "web", ready)
	file := filepath.Join(dir, "pods/uid-web/volumes/ca/ca.pem")
	reads(t, anchor("old"), file)
	corporate.Spec.TrustBundle = anchor("new") + anchor("new")
	require.Eventually(t, func() bool { // the client without a server loses what changes before the watch has begun
		_, err := bundles.Update(t.Context(), corporate, metav1.UpdateOptions{})
		require.NoError(t, err)
		data, err := os.ReadFile(file)
		return err == nil && string(data) == anchor("new")
	}, patience, often)
}

// A kubelet that starts finds directories and emptyDirs of pods that are no more, and follows those of pods that are.
func TestFilesOfAnEarlierKubelet(t *testing.T) {
	m := newMachine(shopPod())
	r, dir := withFiles(t, m)
	shop := &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green"}}
	m.add(t, shop)
	stop := m.start(t)
	m.until(t, "web", ready)
	stop()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pods/uid-gone/volumes/x"), 0o755))
	r.kept["uid-left"] = []string{"scratch"}
	shop.Data["colour"] = "blue"
	_, err := m.client.CoreV1().ConfigMaps("default").Update(t.Context(), shop, metav1.UpdateOptions{})
	require.NoError(t, err)
	m.start(t)
	reads(t, "blue", dir, "pods/uid-web/volumes/settings/colour")
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "pods/uid-gone"))
		r.mu.Lock()
		defer r.mu.Unlock()
		return os.IsNotExist(err) && slices.Contains(r.removed, "uid-left")
	}, patience, often)
	require.NotContains(t, r.removed, types.UID("uid-web"))
}

// https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
func TestTerminationMessage(t *testing.T) {
	once := func(name, words string, policy corev1.TerminationMessagePolicy, code string) *corev1.Pod {
		return bound(name, func(pod *corev1.Pod) {
			pod.Spec.RestartPolicy = corev1.RestartPolicyNever
			pod.Annotations = map[string]string{"sim.minik.dev/run-for": "10ms", "sim.minik.dev/exit-code": code}
			pod.Spec.Containers[0].TerminationMessagePolicy = policy
		})
	}
	for name, test := range map[string]struct {
		words, code string
		policy      corev1.TerminationMessagePolicy
		contains    string
	}{
		"words":    {"out of cheese", "0", corev1.TerminationMessageReadFile, "out of cheese"},
		"none":     {"", "1", corev1.TerminationMessageReadFile, ""},
		"fallback": {"", "1", corev1.TerminationMessageFallbackToLogsOnError, "starts, attempt 0"},
		"success":  {"", "0", corev1.TerminationMessageFallbackToLogsOnError, ""},
		"broken":   {"\xff", "0", corev1.TerminationMessageReadFile, "\uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(once(name, test.words, test.policy, test.code))
			r, _ := withFiles(t, m)
			r.words = test.words
			m.start(t)
			pod := m.until(t, name, func(pod *corev1.Pod) bool {
				return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].State.Terminated != nil
			})
			message := pod.Status.ContainerStatuses[0].State.Terminated.Message
			if test.contains == "" {
				require.Empty(t, message)
			}
			require.Contains(t, message, test.contains)
		})
	}
}

func TestServicesAndPullSecrets(t *testing.T) {
	m := newMachine(bound("web", func(pod *corev1.Pod) {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}, {Name: "none"}}
	}))
	r, _ := withFiles(t, m)
	m.add(t, &corev1.Secret{ObjectMeta: meta("registry")},
		&corev1.Service{ObjectMeta: meta("db"), Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: []corev1.ServicePort{{Port: 5432}}}})
	m.start(t)
	pod := m.until(t, "web", ready)
	require.Contains(t, r.starts(pod.UID)[0].Env, runtime.EnvVar{Name: "DB_PORT", Value: "tcp://10.96.0.7:5432"})
	require.Len(t, r.pulls[0].Secrets, 1)
	require.Equal(t, "registry", r.pulls[0].Secrets[0].Name)
	m.sees(t, "web FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (none); "+
		"attempting to pull the image may not succeed.")
}

// A kubelet without a directory hands over no mounts, watches nothing of volumes, and tells of no services.
func TestWithoutADirectory(t *testing.T) {
	m := newMachine(shopPod())
	r, dir := withFiles(t, m)
	m.options.Dir = ""
	m.add(t, &corev1.ConfigMap{ObjectMeta: meta("shop"), Data: map[string]string{"colour": "green"}},
		&corev1.Service{ObjectMeta: meta("db"), Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.7", Ports: []corev1.ServicePort{{Port: 5432}}}})
	m.start(t)
	pod := m.until(t, "web", ready)
	require.Empty(t, r.starts(pod.UID)[0].Mounts)
	require.Empty(t, r.starts(pod.UID)[0].Env)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	for _, action := range m.client.Actions() {
		require.False(t, action.Matches("watch", "configmaps"), "%v", action)
	}
}

// A profile of the node is handed to the runtime; a container whose profile is not there waits, and says which.
// https://kubernetes.io/docs/tutorials/security/seccomp/
func TestASeccompProfileOfTheNode(t *testing.T) {
	named := func(name string) *corev1.Pod {
		return bound(name, func(pod *corev1.Pod) {
			pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{
				Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: ptr.To(name + ".json")}}
		})
	}
	m := newMachine(named("there"), named("none"))
	r, dir := withFiles(t, m)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "seccomp"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "seccomp/there.json"), []byte("{}"), 0o644))
	m.start(t)
	pod := m.until(t, "there", ready)
	require.Equal(t, "{}", r.starts(pod.UID)[0].Seccomp)
	path := filepath.Join(dir, "seccomp/none.json")
	m.sees(t, `none Failed: Error: cannot load seccomp profile "`+path+`": open `+path+`: no such file or directory`)
	waits := m.until(t, "none", func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].State.Waiting != nil &&
			pod.Status.ContainerStatuses[0].State.Waiting.Reason == "CreateContainerError"
	})
	require.Contains(t, waits.Status.ContainerStatuses[0].State.Waiting.Message, "no such file or directory")
	require.Empty(t, r.starts(waits.UID))
}
