package endpoint

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/endpointslice"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Both kinds of endpoints follow the pods, in as few objects as hold them, and go with the Service.
func TestEndpointsFollowThePods(t *testing.T) {
	client, _ := controllertest.Start(t, []loop.Row{
		{Name: "endpoint-controller", Workers: 2, New: New},
		{Name: "endpoint-slice-controller", Workers: 2, New: endpointslice.New},
	}, controllertest.Service(), controllertest.Pod(0))
	found := func() []discoveryv1.EndpointSlice {
		list, err := client.DiscoveryV1().EndpointSlices("shop").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return list.Items
	}
	agree := func(n int) func() bool {
		return func() bool {
			endpoints, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil || len(found()) != 1 {
				return false
			}
			ready, _ := countAddresses(endpoints.Subsets)
			return ready == n && len(found()[0].Endpoints) == n
		}
	}
	controllertest.Eventually(t, agree(1), "one pod")
	for i := 1; i < 40; i++ {
		_, err := client.CoreV1().Pods("shop").Create(t.Context(), controllertest.Pod(i), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	controllertest.Eventually(t, agree(40), "forty pods, in one slice")
	require.NoError(t, client.CoreV1().Pods("shop").Delete(t.Context(), "web-0003", metav1.DeleteOptions{}))
	controllertest.Eventually(t, agree(39), "one less")

	require.NoError(t, client.CoreV1().Services("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	controllertest.Eventually(t, func() bool {
		list, err := client.CoreV1().Endpoints("shop").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0 && len(found()) == 0
	}, "nothing is left")
}

// Endpoints that a user made, before the Service or without one, are not touched.
func TestEndpointsOfAUserStay(t *testing.T) {
	own := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "shop"}}
	client, _ := controllertest.Start(t, []loop.Row{{Name: "endpoint-controller", Workers: 2, New: New}}, own, controllertest.Service(), controllertest.Pod(0))
	controllertest.Eventually(t, func() bool {
		_, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil
	}, "the controller works")
	_, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "own", metav1.GetOptions{})
	require.NoError(t, err)
}
