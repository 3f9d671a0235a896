package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/scheduler/framework"
)

func withClaim(pod *corev1.Pod, claim string) *corev1.Pod {
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
	return pod
}

func testClaim(name, volume string, phase corev1.PersistentVolumeClaimPhase) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: volume},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: phase},
	}
}

// Each state of a claim has upstream's words; the same snapshot says the next as soon as the claim has changed.
func TestWhatClaimsSay(t *testing.T) {
	s, p := framework.NewSnapshot(), framework.DefaultProfile()
	s.SetNode(testNode("node-1", nodeResources("4", "8Gi"), nil))
	pod := withClaim(testPod("db", nil), "data")
	says := func(want string) {
		t.Helper()
		d := framework.Schedule(p, s, pod)
		require.Equal(t, framework.Explain(p, s, pod).Decision, d)
		require.Equal(t, "0/1 nodes are available: "+want+". "+
			"preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.", d.Message)
	}
	says(`persistentvolumeclaim "data" not found`)
	s.SetClaim(testClaim("data", "", corev1.ClaimPending))
	says("pod has unbound immediate PersistentVolumeClaims")
	late, name := storagev1.VolumeBindingWaitForFirstConsumer, "late"
	s.SetClass(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, VolumeBindingMode: &late})
	waiting := testClaim("data", "", corev1.ClaimPending)
	waiting.Spec.StorageClassName = &name
	s.SetClaim(waiting)
	says("1 node(s) didn't find available persistent volumes to bind")
	s.SetClaim(testClaim("data", "pv", corev1.ClaimLost))
	says(`persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"`)
	s.SetClaim(testClaim("data", "pv", corev1.ClaimBound))
	says(`persistentvolume "pv" not found`)
	s.SetVolume(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}})
	require.Equal(t, "node-1", framework.Schedule(p, s, pod).Node)
	leaving := testClaim("data", "pv", corev1.ClaimBound)
	leaving.DeletionTimestamp = &metav1.Time{Time: noon}
	s.SetClaim(leaving)
	says(`persistentvolumeclaim "data" is being deleted`)
	s.RemoveClaim(leaving)
	pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}
	says(`waiting for ephemeral volume controller to create the persistentvolumeclaim "db-data"`)
}

// A pod whose claim is missing sleeps until the claim is there.
func TestAClaimThatComesWakesItsPod(t *testing.T) {
	f := start(t, testNode("node-1", nodeResources("4", "8Gi"), nil))
	f.create(withClaim(testPod("db", nil), "data"))
	f.eventually(func() bool { return scheduledCondition(f.pod("db")).Reason == corev1.PodReasonUnschedulable })
	_, err := f.client.CoreV1().PersistentVolumes().Create(t.Context(),
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = f.client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(),
		testClaim("data", "pv", corev1.ClaimBound), metav1.CreateOptions{})
	require.NoError(t, err)
	f.eventually(func() bool { return f.pod("db").Spec.NodeName == "node-1" })
}
