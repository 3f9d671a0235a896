package env

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

func TestServiceVariables(t *testing.T) {
	service := func(namespace, name, ip string, ports ...corev1.ServicePort) corev1.Service {
		s := corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: ports}}
		s.Namespace, s.Name = namespace, name
		return s
	}
	services := []corev1.Service{
		service("default", "kubernetes", "10.96.0.1", corev1.ServicePort{Name: "https", Port: 443, Protocol: "TCP"}),
		service("shop", "redis-primary", "10.0.0.11", corev1.ServicePort{Port: 6379, Protocol: "TCP"},
			corev1.ServicePort{Name: "x-y", Port: 53, Protocol: "UDP"}),
		service("shop", "headless", corev1.ClusterIPNone, corev1.ServicePort{Port: 1}),
		service("other", "secret", "10.0.0.12", corev1.ServicePort{Port: 1}),
	}
	api := map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443",
		"KUBERNETES_SERVICE_PORT_HTTPS": "443", "KUBERNETES_PORT": "tcp://10.96.0.1:443",
		"KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443", "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
		"KUBERNETES_PORT_443_TCP_PORT": "443", "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1"}
	pod := &corev1.Pod{}
	pod.Namespace = "shop"
	pod.Spec.EnableServiceLinks = ptr.To(false)
	require.Equal(t, api, serviceEnv(pod, services))

	// The example of https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
	pod.Spec.EnableServiceLinks = nil
	got := serviceEnv(pod, services)
	for name, value := range map[string]string{"REDIS_PRIMARY_SERVICE_HOST": "10.0.0.11",
		"REDIS_PRIMARY_SERVICE_PORT": "6379", "REDIS_PRIMARY_PORT": "tcp://10.0.0.11:6379",
		"REDIS_PRIMARY_PORT_6379_TCP": "tcp://10.0.0.11:6379", "REDIS_PRIMARY_PORT_6379_TCP_PROTO": "tcp",
		"REDIS_PRIMARY_PORT_6379_TCP_PORT": "6379", "REDIS_PRIMARY_PORT_6379_TCP_ADDR": "10.0.0.11",
		"REDIS_PRIMARY_SERVICE_PORT_X_Y": "53", "REDIS_PRIMARY_PORT_53_UDP": "udp://10.0.0.11:53"} {
		require.Equal(t, value, got[name], name)
	}
	require.NotContains(t, got, "HEADLESS_SERVICE_HOST")
	require.NotContains(t, got, "SECRET_SERVICE_HOST")

	// The container's own value wins, and may refer to the others.
	c := &corev1.Container{Env: []corev1.EnvVar{{Name: "KUBERNETES_PORT", Value: "mine"},
		{Name: "URL", Value: "redis://$(REDIS_PRIMARY_SERVICE_HOST)"}}}
	refs := shopReferences()
	refs.Services = services
	env, err := Resolve(pod, c, refs, nil, nil, nil)
	require.NoError(t, err)
	require.Contains(t, env, runtime.EnvVar{Name: "KUBERNETES_PORT", Value: "mine"})
	require.Contains(t, env, runtime.EnvVar{Name: "URL", Value: "redis://10.0.0.11"})
	require.Contains(t, env, runtime.EnvVar{Name: "KUBERNETES_SERVICE_HOST", Value: "10.96.0.1"})
}
