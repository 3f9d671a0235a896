package apiserver

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Nothing of a ComponentStatus is stored: each request finds out anew. What cannot be asked is Unknown, not Healthy
// (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/component-status-v1/).
func TestComponentStatuses(t *testing.T) {
	ts := start(t)
	statuses := ts.client.CoreV1().ComponentStatuses()
	health := func() map[string]corev1.ComponentCondition {
		list, err := statuses.List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, list.ResourceVersion)
		out := map[string]corev1.ComponentCondition{}
		for _, item := range list.Items {
			require.Len(t, item.Conditions, 1)
			out[item.Name] = item.Conditions[0]
		}
		require.Len(t, out, 3)
		return out
	}
	alone := health()
	require.Equal(t, corev1.ComponentCondition{Type: corev1.ComponentHealthy, Status: corev1.ConditionTrue, Message: "ok"},
		alone["etcd-0"])
	require.Equal(t, corev1.ConditionUnknown, alone["scheduler"].Status)
	require.Contains(t, alone["scheduler"].Error, "does not run in the API server's process")

	ts.Components = map[string]func() error{
		"scheduler":          func() error { return nil },
		"controller-manager": func() error { return errors.New("it has ended") },
	}
	beside := health()
	require.Equal(t, "ok", beside["scheduler"].Message)
	require.Equal(t, corev1.ConditionFalse, beside["controller-manager"].Status)
	require.Equal(t, "it has ended", beside["controller-manager"].Error)

	one, err := statuses.Get(t.Context(), "scheduler", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.ConditionTrue, one.Conditions[0].Status)
	_, err = statuses.Get(t.Context(), "proxy", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	require.True(t, apierrors.IsMethodNotSupported(statuses.Delete(t.Context(), "scheduler", metav1.DeleteOptions{})))
	chosen, err := statuses.List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=etcd-0"})
	require.NoError(t, err)
	require.Len(t, chosen.Items, 1)

	response, _ := ts.call(t, "GET", "/api/v1/componentstatuses/etcd-0", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, `299 - "v1 ComponentStatus is deprecated in v1.19+"`, response.Header.Get("Warning"))
}
