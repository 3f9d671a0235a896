package kubelet

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// apiService is the name of the API server's Service, in the namespace default.
const apiService = "kubernetes"

// links says that the pod's containers are told of the services of their namespace.
func links(pod *corev1.Pod) bool {
	return pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
}

// serviceEnv are the variables that tell a container of the services: those of its namespace where the pod asks for
// links, which is the default, and always those of default/kubernetes. The names are those of Docker's links, as
// upstream's.
func serviceEnv(pod *corev1.Pod, services []corev1.Service) map[string]string {
	out := map[string]string{}
	for i := range services {
		s := &services[i]
		own := links(pod) && s.Namespace == pod.Namespace
		if api := s.Namespace == metav1.NamespaceDefault && s.Name == apiService; !own && !api {
			continue
		}
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0 {
			continue
		}
		// A service of the pod's own namespace comes before default's kubernetes.
		if _, has := out[variable(s.Name)+"_SERVICE_HOST"]; has && !own {
			continue
		}
		addService(out, s)
	}
	return out
}

func addService(out map[string]string, s *corev1.Service) {
	name, ip := variable(s.Name), s.Spec.ClusterIP
	out[name+"_SERVICE_HOST"] = ip
	for i, p := range s.Spec.Ports {
		port := strconv.Itoa(int(p.Port))
		protocol := strings.ToLower(string(p.Protocol))
		if protocol == "" {
			protocol = "tcp"
		}
		url := fmt.Sprintf("%s://%s", protocol, net.JoinHostPort(ip, port))
		if i == 0 {
			out[name+"_SERVICE_PORT"], out[name+"_PORT"] = port, url
		}
		if p.Name != "" {
			out[name+"_SERVICE_PORT_"+variable(p.Name)] = port
		}
		prefix := name + "_PORT_" + port + "_" + strings.ToUpper(protocol)
		out[prefix], out[prefix+"_PROTO"], out[prefix+"_PORT"], out[prefix+"_ADDR"] = url, protocol, port, ip
	}
}

func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
