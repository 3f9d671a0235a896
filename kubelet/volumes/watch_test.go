package volumes

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

// mounting is a pod that mounts the ConfigMap of this name, by itself and as a part of a volume.
func mounting(uid types.UID, name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", UID: uid}}
	pod.Spec.Volumes = []corev1.Volume{
		{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named(name)}}},
		{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: named(name)}}}}}},
	}
	return pod
}

func watches(client *fake.Clientset) int {
	n := 0
	for _, action := range client.Actions() {
		if action.Matches("watch", "configmaps") {
			n++
		}
	}
	return n
}

// over says that every watch has ended.
func over(work *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(20 * time.Second):
		return false
	}
}

func TestOneWatchForAllPodsThatMountAnObject(t *testing.T) {
	client := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}})
	var work sync.WaitGroup
	told := make(chan types.UID, 100)
	w := NewWatcher(client, &work, func(uid types.UID, _ string) { told <- uid })
	w.Follow(t.Context(), mounting("u1", "shop"))
	require.Equal(t, types.UID("u1"), <-told)
	w.Follow(t.Context(), mounting("u2", "shop"))
	w.Follow(t.Context(), mounting("u2", "shop"))
	w.Forget("u1")
	require.Len(t, w.sources, 1)
	require.Eventually(t, func() bool { // the client without a server loses what changes before the watch has begun
		_, err := client.CoreV1().ConfigMaps("default").Update(t.Context(),
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}, metav1.UpdateOptions{})
		require.NoError(t, err)
		select {
		case uid := <-told:
			return uid == "u2"
		default:
			return false
		}
	}, 20*time.Second, time.Millisecond)
	w.Forget("u2")
	require.Empty(t, w.sources)
	require.True(t, over(&work), "a watch that nobody is left for goes on")
	require.Equal(t, 1, watches(client))
}

func TestWhatNeverChangesIsNotWatched(t *testing.T) {
	client := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"},
		Immutable: ptr.To(true)})
	var work sync.WaitGroup
	w := NewWatcher(client, &work, func(types.UID, string) {})
	w.Follow(t.Context(), mounting("u1", "shop"))
	require.True(t, over(&work), "an immutable ConfigMap is watched on")
	w.Follow(t.Context(), mounting("u2", "shop"))
	require.True(t, over(&work))
	require.LessOrEqual(t, watches(client), 1)
}

// A worker that is late must not begin what the end of the session waits for.
func TestNoWatchAfterTheEnd(t *testing.T) {
	client := fake.NewClientset()
	var work sync.WaitGroup
	w := NewWatcher(client, &work, func(types.UID, string) {})
	w.Follow(t.Context(), mounting("u1", "shop"))
	w.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Follow(ctx, mounting("u2", "shop"))
	w.Forget("u1")
	require.True(t, over(&work))
}
