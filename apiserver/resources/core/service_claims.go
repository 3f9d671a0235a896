package core

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
)

// serviceClaims are the addresses and node ports that no other service may have.
func serviceClaims(s *corev1.Service) []string {
	var claims []string
	for _, ip := range s.Spec.ClusterIPs {
		if ip != corev1.ClusterIPNone && ip != "" {
			claims = append(claims, "clusterip/"+ip)
		}
	}
	for _, p := range s.Spec.Ports {
		if p.NodePort != 0 {
			claims = append(claims, fmt.Sprintf("nodeport/%s/%d", p.Protocol, p.NodePort))
		}
	}
	if s.Spec.HealthCheckNodePort != 0 {
		claims = append(claims, fmt.Sprintf("nodeport/TCP/%d", s.Spec.HealthCheckNodePort))
	}
	return claims
}

// takenFromService words the refusal of an address or a port that the service asks for and another one has.
func takenFromService(obj resources.Object, claim string) *field.Error {
	kind, value, _ := strings.Cut(claim, "/")
	if kind == "clusterip" {
		return field.Invalid(field.NewPath("spec", "clusterIPs"), []string{value},
			fmt.Sprintf("failed to allocate IP %s: provided IP is already allocated", value))
	}
	return field.Invalid(nodePortPath(obj.(*corev1.Service), value), intstr.Parse(path.Base(value)).IntVal, "provided port is already allocated")
}

// nodePortPath is where the service names the node port, which is given as TCP/30000.
func nodePortPath(s *corev1.Service, claim string) *field.Path {
	spec := field.NewPath("spec")
	for i, p := range s.Spec.Ports {
		if claim == fmt.Sprintf("%s/%d", p.Protocol, p.NodePort) {
			return spec.Child("ports").Index(i).Child("nodePort")
		}
	}
	return spec.Child("healthCheckNodePort")
}
