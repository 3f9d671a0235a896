package passthrough

import (
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// podTarget is the address that a pod serves at: the port that is named by its number or its name, or else the first that
// its containers declare; 80 where they declare none.
func podTarget(pod *corev1.Pod, port string) (string, error) {
	if pod.Status.PodIP == "" {
		return "", apierrors.NewBadRequest(fmt.Sprintf("pod %s has no address yet, so that nothing of it can be reached", pod.Name))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err == nil {
		return net.JoinHostPort(pod.Status.PodIP, port), nil
	}
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if port == "" || port == p.Name {
				return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(p.ContainerPort))), nil
			}
		}
	}
	if port != "" {
		return "", apierrors.NewBadRequest(fmt.Sprintf("pod %s has no port named %q", pod.Name, port))
	}
	return net.JoinHostPort(pod.Status.PodIP, "80"), nil
}

// serviceTarget is one of the addresses behind a service, drawn at random: of the port that is named by its number or its
// name, or of the one port without a name. Those that are not allowed are passed over.
func serviceTarget(service *corev1.Service, slices []*discoveryv1.EndpointSlice, port string,
	random func(int) int, allowed func(host string) error) (string, error) {
	name, err := servicePort(service, port)
	if err != nil {
		return "", err
	}
	var ready []string
	var refused error
	for _, slice := range slices {
		if slice.Namespace != service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != service.Name {
			continue
		}
		for _, p := range slice.Ports {
			if p.Port == nil || (p.Name == nil && name != "") || (p.Name != nil && *p.Name != name) {
				continue
			}
			for _, e := range slice.Endpoints {
				if (e.Conditions.Ready != nil && !*e.Conditions.Ready) || len(e.Addresses) == 0 {
					continue
				}
				host := net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*p.Port)))
				if err := allowed(host); err != nil {
					refused = err
					continue
				}
				ready = append(ready, host)
			}
		}
	}
	if len(ready) == 0 && refused != nil {
		return "", refused
	}
	if len(ready) == 0 {
		return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no endpoints available for service %q", service.Name))
	}
	return ready[random(len(ready))], nil
}

// servicePort is the name of the port that is asked for, which may be empty.
func servicePort(service *corev1.Service, port string) (string, error) {
	for _, p := range service.Spec.Ports {
		if port == p.Name || port == strconv.Itoa(int(p.Port)) {
			return p.Name, nil
		}
	}
	return "", apierrors.NewServiceUnavailable(fmt.Sprintf("no service port %q found for service %q", port, service.Name))
}

// nodeTarget is the node's address with another port than its kubelet's.
func nodeTarget(node *corev1.Node, port string) (string, error) {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return net.JoinHostPort(a.Address, port), nil
		}
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("node %s has no InternalIP, so that nothing of it can be reached", node.Name))
}
