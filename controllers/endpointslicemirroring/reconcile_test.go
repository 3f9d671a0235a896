package endpointslicemirroring

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/endpoint"
	"minik.dev/controllers/endpointslice"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a user wrote for a Service without a selector is mirrored, and follows what the user changes.
func TestEndpointsOfAUserAreMirrored(t *testing.T) {
	service := controllertest.Service()
	service.Spec.Selector = nil
	mine := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "uid-own"},
		Subsets: []corev1.EndpointSubset{{
			Addresses:         []corev1.EndpointAddress{{IP: "192.0.2.1"}, {IP: "2001:db8::1"}},
			NotReadyAddresses: []corev1.EndpointAddress{{IP: "192.0.2.2"}},
			Ports:             []corev1.EndpointPort{{Name: "db", Port: 5432, Protocol: corev1.ProtocolTCP}},
		}}}
	client, _ := controllertest.Start(t, []loop.Row{{Name: "endpoint-slice-mirroring-controller", Workers: 2, New: New},
		{Name: "endpoint-slice-controller", Workers: 2, New: endpointslice.New},
		{Name: "endpoint-controller", Workers: 2, New: endpoint.New}}, service, mine)
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
	controllertest.Eventually(t, func() bool {
		return mirrored() == "192.0.2.1:5432 ready=true, 192.0.2.2:5432 ready=false, 2001:db8::1:5432 ready=true"
	}, "both families, ready and not")
	own, err := client.CoreV1().Endpoints("shop").Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	own.Subsets[0].Addresses, own.Subsets[0].NotReadyAddresses = []corev1.EndpointAddress{{IP: "192.0.2.9"}, {IP: "2001:db8::1"}}, nil
	own, err = client.CoreV1().Endpoints("shop").Update(t.Context(), own, metav1.UpdateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, func() bool { return mirrored() == "192.0.2.9:5432 ready=true, 2001:db8::1:5432 ready=true" }, "the mirror follows")
	own.Labels = map[string]string{discoveryv1.LabelSkipMirror: "true"}
	_, err = client.CoreV1().Endpoints("shop").Update(t.Context(), own, metav1.UpdateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, func() bool { return mirrored() == "" }, "the label switches it off")
}
