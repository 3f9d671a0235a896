package service

import (
	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers/loop"
)

// RolloutStatus waits for the address of a Service of type LoadBalancer; others have nothing to wait for.
func RolloutStatus(service *corev1.Service) loop.RolloutStatus {
	switch {
	case service.Spec.Type != corev1.ServiceTypeLoadBalancer:
		return loop.RolloutStatus{State: loop.NotAwaited}
	case len(service.Status.LoadBalancer.Ingress) == 0:
		return loop.RolloutStatus{Want: 1, State: loop.Waiting, Why: "its load balancer has no address yet"}
	}
	return loop.RolloutStatus{Ready: 1, Want: 1, State: loop.Available}
}
