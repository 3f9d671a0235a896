package podspec

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
func TestPullPolicy(t *testing.T) {
	for image, want := range map[string]corev1.PullPolicy{
		"nginx":                         corev1.PullAlways,
		"nginx:latest":                  corev1.PullAlways,
		"registry:5000/nginx":           corev1.PullAlways,
		"registry:5000/a/nginx:latest":  corev1.PullAlways,
		"nginx:1.27":                    corev1.PullIfNotPresent,
		"registry:5000/nginx:1.27":      corev1.PullIfNotPresent,
		"nginx@sha256:0123":             corev1.PullIfNotPresent,
		"registry:5000/nginx@sha256:01": corev1.PullIfNotPresent,
		"nginx:1.27@sha256:0123":        corev1.PullIfNotPresent,
		"":                              corev1.PullIfNotPresent,
	} {
		require.Equal(t, want, pullPolicy(image), "image %q", image)
	}
}

// https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
func TestQoSClass(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		l := corev1.ResourceList{}
		if cpu != "" {
			l[corev1.ResourceCPU] = resource.MustParse(cpu)
		}
		if memory != "" {
			l[corev1.ResourceMemory] = resource.MustParse(memory)
		}
		return l
	}
	container := func(requests, limits corev1.ResourceList) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
	}
	gpu := corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
	full := container(list("1", "1Gi"), list("1000m", "1Gi"))
	for name, c := range map[string]struct {
		want       corev1.PodQOSClass
		containers []corev1.Container
	}{
		"nothing said":          {corev1.PodQOSBestEffort, []corev1.Container{container(nil, nil)}},
		"only a GPU":            {corev1.PodQOSBestEffort, []corev1.Container{container(nil, gpu)}},
		"all limited":           {corev1.PodQOSGuaranteed, []corev1.Container{full, full}},
		"one says nothing":      {corev1.PodQOSBurstable, []corev1.Container{full, container(nil, nil)}},
		"asks less than limits": {corev1.PodQOSBurstable, []corev1.Container{container(list("1", "1Gi"), list("2", "1Gi"))}},
		"no memory limit":       {corev1.PodQOSBurstable, []corev1.Container{container(list("1", ""), list("1", ""))}},
	} {
		require.Equal(t, c.want, QoSClass(&corev1.PodSpec{Containers: c.containers}), name)
	}
}
