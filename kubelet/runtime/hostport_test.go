package runtime

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestHostPorts(t *testing.T) {
	node := netip.MustParseAddr("10.244.1.1")
	for hostIP, want := range map[string]string{
		"": "10.244.1.1", "0.0.0.0": "10.244.1.1", "::": "10.244.1.1", "10.244.1.1": "10.244.1.1", "127.0.0.1": "127.0.0.1", "::1": "::1",
	} {
		got, err := HostPortAddress(corev1.ContainerPort{HostPort: 80, HostIP: hostIP}, node)
		require.NoError(t, err, hostIP)
		require.Equal(t, want, got.String(), hostIP)
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}}
	for hostIP, why := range map[string]string{
		"192.168.1.5": "container c: hostIP 192.168.1.5 of hostPort 80 is no address of the node, which has 10.244.1.1; " +
			"leave hostIP out, or name 127.0.0.1",
		"10.244.2.1": "container c: hostIP 10.244.2.1 of hostPort 80 is no address of the node, which has 10.244.1.1; " +
			"leave hostIP out, or name 127.0.0.1",
		"127.96.0.10": "container c: hostIP 127.96.0.10 of hostPort 80 is no address of the node, which has 10.244.1.1; " +
			"leave hostIP out, or name 127.0.0.1",
		"::ffff:192.168.1.5": "container c: hostIP ::ffff:192.168.1.5 of hostPort 80 is no address of the node, which has 10.244.1.1; " +
			"leave hostIP out, or name 127.0.0.1",
		"host": `container c: hostIP "host" of hostPort 80 is no IP address`,
	} {
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}, {HostPort: 80, HostIP: hostIP}}
		require.EqualError(t, CheckHostPorts(pod, node), why)
	}
	pod.Spec.HostNetwork = true
	require.NoError(t, CheckHostPorts(pod, node))
}
