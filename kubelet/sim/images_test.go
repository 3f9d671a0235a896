package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// A node has the images that its pods have pulled, each once, by the names that pods may ask for.
func TestImagesOfPods(t *testing.T) {
	r := sim.New(sim.Options{Node: "node-1"})
	drive(t, r)
	images := func() []corev1.ContainerImage {
		images, err := r.Images(t.Context())
		require.NoError(t, err)
		return images
	}
	require.Empty(t, images())
	require.NotNil(t, images(), "it says that it has none")
	pull := func(image string, annotations map[string]string) {
		pod := podOf("web", corev1.Container{Name: "a", Image: image})
		pod.Annotations = annotations
		_, err := r.PullImage(t.Context(), runtime.PullRequest{
			Pod: pod, Container: &pod.Spec.Containers[0], Image: pod.Spec.Containers[0].Image, Policy: corev1.PullIfNotPresent}, func() {})
		require.NoError(t, err)
	}
	pull("nginx", nil)
	pull("docker.io/library/nginx:latest", nil)
	pull("ghcr.io/shop/cart:2", map[string]string{"sim.minik.dev/a.image-size": "1Gi"})
	require.Equal(t, []corev1.ContainerImage{
		{Names: []string{"docker.io/library/nginx:latest", "nginx:latest"}, SizeBytes: 64 << 20},
		{Names: []string{"ghcr.io/shop/cart:2"}, SizeBytes: 1 << 30},
	}, images())

	pod := podOf("odd", corev1.Container{Name: "a", Image: "nginx"})
	pod.Annotations = map[string]string{"sim.minik.dev/image-size": "big"}
	require.NoError(t, r.StartSandbox(t.Context(), pod, 0))
	_, err := r.StartContainer(t.Context(), runtime.ContainerConfig{Pod: pod, Container: &pod.Spec.Containers[0]})
	require.ErrorContains(t, err, "annotation sim.minik.dev/image-size: ")
}
