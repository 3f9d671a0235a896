package apiserver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A Job that is deleted without a word leaves its pods behind, and the answer says so
// (https://kubernetes.io/docs/concepts/workloads/controllers/job/#clean-up-finished-jobs-automatically).
func TestDeletedJobOrphansItsPods(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	const jobs = "/apis/batch/v1/namespaces/shop/jobs"
	for _, c := range []struct {
		path, body string
		warned     bool
	}{
		{"/a?propagationPolicy=Background", "", false},
		{"/a", `{"orphanDependents":false}`, false},
		{"?dryRun=All", "", true},
		{"/a", "", true},
	} {
		_, _ = ts.client.BatchV1().Jobs("shop").Create(t.Context(), job("a"), metav1.CreateOptions{}) // or it is there
		response, body := ts.call(t, "DELETE", jobs+c.path, c.body)
		require.Equal(t, 200, response.StatusCode, "%s", body)
		said := strings.Join(response.Header.Values("Warning"), "\n")
		require.Equal(t, c.warned, strings.Contains(said, "child pods are preserved by default"), "%s: %s", c.path, said)
	}
	left, err := ts.client.BatchV1().Jobs("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{metav1.FinalizerOrphanDependents}, left.Finalizers)
}

// A Job's selector is its UID, which is there when the labels are made, also for a generated name.
func TestJobSelectsByItsUID(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	wanted := job("")
	wanted.GenerateName = "pi-"
	made, err := ts.client.BatchV1().Jobs("shop").Create(t.Context(), wanted, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{batchv1.ControllerUidLabel: string(made.UID)}, made.Spec.Selector.MatchLabels)
	require.Equal(t, made.Name, made.Spec.Template.Labels[batchv1.JobNameLabel])
	require.Equal(t, made.Spec.Template.Labels, made.Labels)
	require.EqualValues(t, 1, made.Generation)

	made.Spec.Suspend = ptr.To(true)
	paused, err := ts.client.BatchV1().Jobs("shop").Update(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 2, paused.Generation)
}

func job(name string) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "pi", Image: "perl:5"}},
		}}},
	}
}
