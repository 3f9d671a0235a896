package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

// Both kinds of endpoints follow the pods, in as few objects as hold them, and go with the Service.
func TestEndpointsFollowThePods(t *testing.T) {
	client, _ := startFake(t, []row{
		{name: "endpoint-controller", workers: 2, new: newEndpointsController},
		{name: "endpoint-slice-controller", workers: 2, new: newEndpointSlicesController},
	}, webService(), webPod(0))
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
	eventually(t, agree(1), "one pod")
	for i := 1; i < 40; i++ {
		_, err := client.CoreV1().Pods("shop").Create(t.Context(), webPod(i), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	eventually(t, agree(40), "forty pods, in one slice")
	require.NoError(t, client.CoreV1().Pods("shop").Delete(t.Context(), "web-0003", metav1.DeleteOptions{}))
	eventually(t, agree(39), "one less")

	require.NoError(t, client.CoreV1().Services("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	eventually(t, func() bool {
		list, err := client.CoreV1().Endpoints("shop").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0 && len(found()) == 0
	}, "nothing is left")
}

// Endpoints that a user made, before the Service or without one, are not touched.
func TestEndpointsOfAUserStay(t *testing.T) {
	own := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "shop"}}
	client, _ := startFake(t, []row{{name: "endpoint-controller", workers: 2, new: newEndpointsController}}, own, webService(), webPod(0))
	eventually(t, func() bool {
		_, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil
	}, "the controller works")
	_, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "own", metav1.GetOptions{})
	require.NoError(t, err)
}

// What a user wrote for a Service without a selector is mirrored, and follows what the user changes.
func TestEndpointsOfAUserAreMirrored(t *testing.T) {
	service := webService()
	service.Spec.Selector = nil
	mine := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "uid-own"},
		Subsets: []corev1.EndpointSubset{{
			Addresses:         []corev1.EndpointAddress{{IP: "192.0.2.1"}, {IP: "2001:db8::1"}},
			NotReadyAddresses: []corev1.EndpointAddress{{IP: "192.0.2.2"}},
			Ports:             []corev1.EndpointPort{{Name: "db", Port: 5432, Protocol: corev1.ProtocolTCP}},
		}}}
	client, _ := startFake(t, []row{{name: "endpoint-slice-mirroring-controller", workers: 2, new: newEndpointsMirror},
		{name: "endpoint-slice-controller", workers: 2, new: newEndpointSlicesController},
		{name: "endpoint-controller", workers: 2, new: newEndpointsController}}, service, mine)
	mirrored := func() string {
		list, err := client.DiscoveryV1().EndpointSlices("shop").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		var out []string
		for _, slice := range list.Items {
			require.Equal(t, "endpointslicemirroring-controller.k8s.io", slice.Labels[discoveryv1.LabelManagedBy])
			require.Equal(t, types.UID("uid-own"), metav1.GetControllerOf(&slice).UID)
			for _, e := range slice.Endpoints {
				out = append(out, fmt.Sprintf("%s:%d ready=%t", e.Addresses[0], *slice.Ports[0].Port, *e.Conditions.Ready))
			}
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	eventually(t, func() bool {
		return mirrored() == "192.0.2.1:5432 ready=true, 192.0.2.2:5432 ready=false, 2001:db8::1:5432 ready=true"
	}, "both families, ready and not")
	own, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	own.Subsets[0].Addresses, own.Subsets[0].NotReadyAddresses = []corev1.EndpointAddress{{IP: "192.0.2.9"}, {IP: "2001:db8::1"}}, nil
	own, err = client.CoreV1().Endpoints("shop").Update(t.Context(), own, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return mirrored() == "192.0.2.9:5432 ready=true, 2001:db8::1:5432 ready=true" }, "the mirror follows")
	own.Labels = map[string]string{discoveryv1.LabelSkipMirror: "true"}
	_, err = client.CoreV1().Endpoints("shop").Update(t.Context(), own, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return mirrored() == "" }, "the label switches it off")
}

// Two Services, one address: the second waits until the first gives it back.
func TestLoadBalancerAddressIsPassedOn(t *testing.T) {
	balancer := func(name string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}}
	}
	options := Options{LoadBalancerPool: netip.MustParsePrefix("172.18.255.1/32")}
	client := fake.NewSimpleClientset(balancer("a"))
	startOn(t, client, options, []row{{name: "service-lb-controller", workers: 1, new: newLoadBalancerController}})
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
	eventually(t, func() bool { return address("a") == "172.18.255.1" }, "a gets the address")
	eventually(t, func() bool { return events("EnsuringLoadBalancer") && events("EnsuredLoadBalancer") }, "events")
	_, err := client.CoreV1().Services("shop").Create(t.Context(), balancer("b"), metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return events("SyncLoadBalancerFailed") }, "b is told that there is none")
	require.Empty(t, address("b"))

	a, err := client.CoreV1().Services("shop").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	a.Spec.Type = corev1.ServiceTypeClusterIP
	_, err = client.CoreV1().Services("shop").Update(t.Context(), a, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, func() bool { return address("a") == "" && address("b") == "172.18.255.1" }, "b gets it")
}

// Each namespace gets its account and the certificate, and gets them back when they are taken away or changed.
func TestNamespacesAreFurnished(t *testing.T) {
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}}
	client := fake.NewSimpleClientset(endingNamespace(), shop)
	startOn(t, client, Options{ClusterCA: []byte("PEM")}, []row{
		{name: "service-account-controller", workers: 1, new: newServiceAccountsController},
		{name: "root-ca-certificate-publisher-controller", workers: 1, new: newRootCAController},
	})
	accounts, configMaps := client.CoreV1().ServiceAccounts("web"), client.CoreV1().ConfigMaps("web")
	furnished := func() bool {
		_, err := accounts.Get(t.Context(), "default", metav1.GetOptions{})
		configMap, errCA := configMaps.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		return err == nil && errCA == nil && configMap.Data["ca.crt"] == "PEM" && len(configMap.Data) == 1
	}
	eventually(t, furnished, "both are there")
	require.NoError(t, accounts.Delete(t.Context(), "default", metav1.DeleteOptions{}))
	changed, err := configMaps.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)
	changed.Data = map[string]string{"ca.crt": "forged", "more": "x"}
	_, err = configMaps.Update(t.Context(), changed, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, furnished, "both are back")
	list, err := client.CoreV1().ServiceAccounts("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, list.Items, "nothing is added to a namespace that is being deleted")
}
