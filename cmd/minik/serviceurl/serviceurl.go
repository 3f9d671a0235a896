// Package serviceurl says where Services answer to a client on this machine, and asks them, for `minik up -f`.
//
// [Of] is the decision: the load balancer's address, a node port or the cluster address, and what is probably spoken there.
// [Check] asks (check.go). Upstream is cmd/minik. Real Kubernetes leaves it to its users to find out; minikube has a
// command for it.
package serviceurl

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// URL is one address at which a Service answers.
type URL struct {
	Service string // "frontend", or "shop/frontend" outside of the default namespace
	Network string // "tcp" or "udp"
	Scheme  string // "http", "https", or the network where nothing says that HTTP is spoken
	Address string // host:port as a client on this machine dials it
	Outside bool   // it is meant for clients outside of the cluster
}

func (u URL) String() string {
	return u.Scheme + "://" + strings.TrimSuffix(u.Address, defaultPort[u.Scheme])
}

// defaultPort is left out of a URL.
var defaultPort = map[string]string{"http": ":80", "https": ":443"}

// Of lists where the Services answer: at the load balancer's address if there is one, else at a node port on
// one node, else at the cluster address; each port once. A headless or ExternalName Service has no address of its own.
// address maps an address of the cluster to what is really listened on.
func Of(services []*corev1.Service, nodes []corev1.Node, address func(ip string, port int32) string) []URL {
	services = slices.Clone(services)
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var out []URL
	for _, service := range services {
		name := service.Name
		if service.Namespace != metav1.NamespaceDefault {
			name = service.Namespace + "/" + name
		}
		for _, port := range service.Spec.Ports {
			ip, number, ok := reach(service, port, nodes)
			if !ok {
				continue
			}
			network := strings.ToLower(string(cmp.Or(port.Protocol, corev1.ProtocolTCP)))
			out = append(out, URL{
				Service: name, Network: network, Scheme: scheme(network, port), Address: address(ip, number),
				Outside: service.Spec.Type != corev1.ServiceTypeClusterIP,
			})
		}
	}
	return out
}

// reach is where a client outside of the cluster finds one port of a Service.
func reach(service *corev1.Service, port corev1.ServicePort, nodes []corev1.Node) (ip string, number int32, ok bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			return ingress.IP, port.Port, true
		}
	}
	if port.NodePort != 0 {
		for _, node := range nodes {
			for _, address := range node.Status.Addresses {
				if address.Type == corev1.NodeInternalIP {
					return address.Address, port.NodePort, true
				}
			}
		}
	}
	if ip := service.Spec.ClusterIP; net.ParseIP(ip) != nil {
		return ip, port.Port, true
	}
	return "", 0, false
}

// scheme guesses what a port speaks from what its author wrote down: the application protocol, the name, the number.
func scheme(network string, port corev1.ServicePort) string {
	if network != "tcp" {
		return network
	}
	said := port.Name
	if port.AppProtocol != nil {
		said = *port.AppProtocol
	}
	switch {
	case said == "https" || strings.HasPrefix(said, "https-") || said == "" && port.Port == 443:
		return "https"
	case said == "http" || strings.HasPrefix(said, "http-") || strings.HasPrefix(said, "web"):
		return "http"
	case said == "" && (port.Port == 80 || port.Port >= 8000 && port.Port < 9000):
		return "http"
	}
	return network
}

// Answer is what a URL replied.
type Answer struct {
	URL
	OK     bool
	Detail string // the HTTP status, "connected", or what went wrong
}

// Lines renders the answers in columns.
func Lines(answers []Answer) []string {
	names, urls := 0, 0
	for _, a := range answers {
		names, urls = max(names, len(a.Service)), max(urls, len(a.URL.String()))
	}
	var lines []string
	for _, a := range answers {
		verdict := "answers: "
		if !a.OK {
			verdict = "does not answer: "
		}
		lines = append(lines, fmt.Sprintf("  %-*s  %-*s  %s%s", names, a.Service, urls, a.URL, verdict, a.Detail))
	}
	return lines
}

// First is one that a browser understands and that answered, from outside of the cluster if there is such a one.
func First(answers []Answer) string {
	url := ""
	for _, a := range answers {
		if a.OK && (a.Scheme == "http" || a.Scheme == "https") && (url == "" || a.Outside) {
			url = a.URL.String()
			if a.Outside {
				return url
			}
		}
	}
	return url
}
