package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// `kubectl debug` patches pods/ephemeralcontainers: what it adds is defaulted, is a new generation, and has an owner of its
// own. By the same path nothing is taken away, and nothing else changed.
func TestEphemeralContainersAreAdded(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	_, err := pods.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	pod, err := pods.Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}},"spec":`+
		`{"ephemeralContainers":[{"name":"debugger","image":"busybox","targetContainerName":"web"}]}}`),
		metav1.PatchOptions{FieldManager: "kubectl-debug"}, "ephemeralcontainers")
	require.NoError(t, err)
	require.EqualValues(t, 2, pod.Generation)
	require.Empty(t, pod.Labels)
	require.Len(t, pod.Spec.EphemeralContainers, 1)
	require.Equal(t, corev1.PullAlways, pod.Spec.EphemeralContainers[0].ImagePullPolicy)
	owner := pod.ManagedFields[len(pod.ManagedFields)-1]
	require.Equal(t, "ephemeralcontainers", owner.Subresource)
	require.Contains(t, string(owner.FieldsV1.Raw), `k:{\"name\":\"debugger\"}`)

	pod.Spec.EphemeralContainers[0].Name = "other"
	_, err = pods.UpdateEphemeralContainers(t.Context(), "web", pod, metav1.UpdateOptions{})
	require.ErrorContains(t, err, `existing ephemeral containers "debugger" may not be removed`)

	shown, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	shown.Spec.EphemeralContainers = nil
	_, err = pods.Update(t.Context(), shown, metav1.UpdateOptions{})
	require.ErrorContains(t, err, "pod updates may not change fields other than")
}
