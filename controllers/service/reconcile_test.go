package service

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two Services, one address: the second waits until the first gives it back.
func TestLoadBalancerAddressIsPassedOn(t *testing.T) {
	balancer := func(name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}}
	}
	options := loop.Options{LoadBalancerPool: netip.MustParsePrefix("172.18.255.1/32")}
	client := fake.NewSimpleClientset(balancer("a"))
	controllertest.StartOn(t, client, options, []loop.Row{{Name: "service-lb-controller", Workers: 1, New: New}})
	address := func(name string) string {
		service, err := client.CoreV1().Services("shop").Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		if a := ingressAddress(service); a.IsValid() {
			require.Equal(t, corev1.LoadBalancerIPModeVIP, *service.Status.LoadBalancer.Ingress[0].IPMode)
			return a.String()
		}
		return ""
	}
	events := func(reason string) bool {
		list, err := client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, event := range list.Items {
			if event.Reason == reason {
				return true
			}
		}
		return false
	}
	controllertest.Eventually(t, func() bool { return address("a") == "172.18.255.1" }, "a gets the address")
	controllertest.Eventually(t, func() bool { return events("EnsuringLoadBalancer") && events("EnsuredLoadBalancer") }, "events")
	_, err := client.CoreV1().Services("shop").Create(t.Context(), balancer("b"), metav1.CreateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, func() bool { return events("SyncLoadBalancerFailed") }, "b is told that there is none")
	require.Empty(t, address("b"))

	a, err := client.CoreV1().Services("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	a.Spec.Type = corev1.ServiceTypeClusterIP
	_, err = client.CoreV1().Services("shop").Update(t.Context(), a, metav1.UpdateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, func() bool { return address("a") == "" && address("b") == "172.18.255.1" }, "b gets it")
}
