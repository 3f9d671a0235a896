package backends

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Ports are the Service's ports as the pod serves them. A port whose targetPort is a name that the pod does not
// have is left out. It is false for a pod that serves none of them, except of a headless Service without any ports: such a pod is
// in no Endpoints, and in EndpointSlices without a port.
func Ports(service *corev1.Service, pod *corev1.Pod) ([]corev1.EndpointPort, bool) {
	if len(service.Spec.Ports) == 0 {
		return nil, service.Spec.ClusterIP == corev1.ClusterIPNone
	}
	var out []corev1.EndpointPort
	for i := range service.Spec.Ports {
		port := &service.Spec.Ports[i]
		number, ok := targetPort(port, pod)
		if !ok {
			continue
		}
		out = append(out, corev1.EndpointPort{
			Name: port.Name, Port: number, Protocol: port.Protocol, AppProtocol: port.AppProtocol})
	}
	return out, len(out) > 0
}

// targetPort is the number behind a Service's port in one pod. Names are looked up among the containers' ports and those
// of init containers that run beside them.
func targetPort(port *corev1.ServicePort, pod *corev1.Pod) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal == 0 {
			return port.Port, true
		}
		return port.TargetPort.IntVal, true
	}
	containers := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	for _, c := range containers {
		for _, p := range c.Ports {
			if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

// PortsKey is equal for equal sets of ports, in whatever order.
func PortsKey(ports []corev1.EndpointPort) string {
	keys := make([]string, 0, len(ports))
	for _, p := range ports {
		app := ""
		if p.AppProtocol != nil {
			app = *p.AppProtocol
		}
		keys = append(keys, p.Name+"\x00"+strconv.Itoa(int(p.Port))+"\x00"+string(p.Protocol)+"\x00"+app)
	}
	slices.Sort(keys)
	return strings.Join(keys, "\x01")
}

// SlicePorts are the ports as an EndpointSlice has them.
func SlicePorts(ports []corev1.EndpointPort) []discoveryv1.EndpointPort {
	out := make([]discoveryv1.EndpointPort, 0, len(ports))
	for _, p := range ports {
		out = append(out, discoveryv1.EndpointPort{
			Name: &p.Name, Port: &p.Port, Protocol: &p.Protocol, AppProtocol: p.AppProtocol})
	}
	return out
}
