package kubelet_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// stocked is a runtime that has images already.
type stocked struct {
	*sim.Runtime
	images []corev1.ContainerImage
}

func (r stocked) Images(context.Context) ([]corev1.ContainerImage, error) { return r.images, nil }

// The node reports the 50 largest of its images, the largest first, and five names of each, as upstream's does.
func TestTheNodeReportsItsLargestImages(t *testing.T) {
	var images []corev1.ContainerImage
	for i := range 60 {
		images = append(images, corev1.ContainerImage{SizeBytes: int64(i), Names: []string{fmt.Sprintf("image:%d", i)}})
	}
	images[59].Names = []string{"a:1", "a:2", "a:3", "a:4", "a:5", "a:6"}
	images[58].Names = nil
	images[57].SizeBytes = 56
	m := newMachine()
	m.wrap = func(r *sim.Runtime) runtime.Runtime { return stocked{r, images} }
	m.start(t)
	var node *corev1.Node
	require.Eventually(t, func() bool {
		var err error
		node, err = m.client.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		return err == nil
	}, patience, often)
	got := node.Status.Images
	require.Len(t, got, 50)
	require.Equal(t, []string{"a:1", "a:2", "a:3", "a:4", "a:5"}, got[0].Names)
	require.Equal(t, []string{"image:56"}, got[1].Names)
	require.Equal(t, []string{"image:57"}, got[2].Names)
	require.Equal(t, []string{"image:9"}, got[49].Names)
}

// A container whose volume's image cannot be had waits for that one, and Events name it.
// https://kubernetes.io/docs/concepts/storage/volumes/#image
func TestTheImageOfAVolumeIsMissing(t *testing.T) {
	m := newMachine(bound("reader", func(pod *corev1.Pod) {
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			Image: &corev1.ImageVolumeSource{Reference: "your-models:v1"}}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}))
	m.start(t)
	m.until(t, "reader", func(pod *corev1.Pod) bool {
		statuses := pod.Status.ContainerStatuses
		return len(statuses) == 1 && statuses[0].State.Waiting != nil && statuses[0].State.Waiting.Reason == "ImagePullBackOff"
	})
	m.sees(t, `reader BackOff: Back-off pulling image "your-models:v1"`)
}
