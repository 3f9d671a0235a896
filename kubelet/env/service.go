package env

import (
	"context"

	"fmt"
	"net"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

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

// Services are those that the pod's containers are told of, asked for at each start: so one that was made before the pod
// is never missed, as it is where a cache is behind, and a kubelet at rest watches none.
func Services(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) ([]corev1.Service, error) {
	var out []corev1.Service
	api, err := client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, apiService, metav1.GetOptions{})
	switch {
	case err == nil:
		out = append(out, *api)
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading the service kubernetes for the container's environment: %w", err)
	}
	if !links(pod) {
		return out, nil
	}
	list, err := client.CoreV1().Services(pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing services for the container's environment: %w", err)
	}
	return append(out, list.Items...), nil
}
