package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

func TestAnObjectsLife(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ctx := t.Context()
	maps := ts.client.CoreV1().ConfigMaps("shop")

	made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Data: map[string]string{"k": "1"}},
		metav1.CreateOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, made.UID)
	require.NotEmpty(t, made.ResourceVersion)
	require.NotEmpty(t, made.ManagedFields)

	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	require.True(t, apierrors.IsAlreadyExists(err), "%v", err)

	w, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: made.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()

	read, err := maps.Get(ctx, "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, made, read)

	read.Data["k"] = "2"
	updated, err := maps.Update(ctx, read, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NotEqual(t, made.ResourceVersion, updated.ResourceVersion)
	event := <-w.ResultChan()
	require.Equal(t, watch.Modified, event.Type)
	require.Equal(t, updated, event.Object)

	_, err = maps.Update(ctx, read, metav1.UpdateOptions{})
	require.True(t, apierrors.IsConflict(err), "%v", err)

	patched, err := maps.Patch(ctx, "a", types.MergePatchType, []byte(`{"data":{"l":"3"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "2", "l": "3"}, patched.Data)
	require.Equal(t, watch.Modified, (<-w.ResultChan()).Type)

	list, err := maps.List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)

	require.NoError(t, maps.Delete(ctx, "a", metav1.DeleteOptions{}))
	require.Equal(t, watch.Deleted, (<-w.ResultChan()).Type)
	_, err = maps.Get(ctx, "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}
