package apiserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/apiserver/etcd"
)

// A full etcd is told clearly, reads go on, and writes work again when history was forgotten to make room.
func TestOutOfSpace(t *testing.T) {
	s := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true, Quota: 8 << 20})
	_, err := s.client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	maps := s.client.CoreV1().ConfigMaps("default")
	object, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "large"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	write := func(i int) error {
		object.Data = map[string]string{"text": strings.Repeat(string(rune('a'+i%26)), 500<<10)}
		updated, err := maps.Update(t.Context(), object, metav1.UpdateOptions{})
		if err == nil {
			object = updated
		}
		return err
	}
	writes := 0
	for ; err == nil && writes < 200; writes++ {
		err = write(writes) // the one that crosses the quota may still be taken
	}
	status := apierrors.APIStatus(nil)
	require.ErrorAs(t, err, &status, "etcd took %d writes of 500 KiB", writes)
	require.EqualValues(t, http.StatusInsufficientStorage, status.Status().Code)
	require.Contains(t, err.Error(), "the store is full, and takes no writes")

	read, err := maps.Get(t.Context(), "large", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, object.ResourceVersion, read.ResourceVersion)
	require.Eventually(t, func() bool { return write(writes) == nil }, time.Minute, 10*time.Millisecond)
	for i := range 5 {
		require.NoError(t, write(i))
	}
}
