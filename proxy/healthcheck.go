package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// A load balancer that sends to nodes asks each of them at the Service's healthCheckNodePort whether it has endpoints of the
// Service, where only those of the node itself are used (externalTrafficPolicy Local).

// healthRules are where the nodes of this machine are asked that about one Service. Their backends are the node's endpoints
// that are ready, whatever their ports.
func healthRules(limits Limits, service *corev1.Service, from []*discoveryv1.EndpointSlice, here map[string][]string) (out []Rule) {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.Spec.HealthCheckNodePort == 0 {
		return nil
	}
	name := types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
	for _, node := range slices.Sorted(maps.Keys(here)) {
		local := localEndpoints(from, node)
		for _, ip := range here[node] {
			if limits.node(node, ip) != "" {
				continue // said of its node ports
			}
			out = append(out, Rule{
				Listen:  Listen{IP: ip, Port: service.Spec.HealthCheckNodePort, Protocol: corev1.ProtocolTCP},
				Service: name, UID: service.UID, Backends: local, Health: true,
				Why: fmt.Sprintf("it is where load balancers ask whether %s has endpoints of Service %s", node, name),
			})
		}
	}
	return out
}

// localEndpoints are the endpoints on the node that are ready, each once.
func localEndpoints(from []*discoveryv1.EndpointSlice, node string) []Backend {
	found := map[Backend]bool{}
	for _, slice := range from {
		for _, endpoint := range slice.Endpoints {
			if deref(endpoint.NodeName, "") == node && len(endpoint.Addresses) > 0 && stateOf(endpoint.Conditions) == ready {
				found[Backend{IP: endpoint.Addresses[0], Node: node}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), compareBackend)
}

// healthListener answers with how many endpoints of a Service a node has.
type healthListener struct {
	rule   atomic.Pointer[Rule]
	server *http.Server
}

// healthPatience is how long one who asks may take to do so, and to read the answer.
const healthPatience = 5 * time.Second

func (t *traffic) listenHealth(rule Rule) (listener, error) {
	socket, err := t.openTCP(t.address(rule.Listen.IP, rule.Listen.Port))
	if err != nil {
		return nil, err // says what was tried, and where
	}
	l := &healthListener{}
	l.update(rule)
	l.server = &http.Server{Handler: l, ReadTimeout: healthPatience, WriteTimeout: healthPatience}
	t.group.Go(func() { _ = l.server.Serve(socket) }) // it ends when it is closed
	return l, nil
}

func (l *healthListener) update(rule Rule) { l.rule.Store(&rule) }
func (l *healthListener) sweep(time.Time)  {}
func (l *healthListener) close()           { _ = l.server.Close() } // nothing is lost of what it was answering

// healthAnswer is what load balancers are told.
type healthAnswer struct {
	Service             objectName `json:"service"`
	LocalEndpoints      int        `json:"localEndpoints"`
	ServiceProxyHealthy bool       `json:"serviceProxyHealthy"`
}

type objectName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// ServeHTTP answers every path, in the words of upstream's kube-proxy: 200 where the node has endpoints, 503 where it has none.
func (l *healthListener) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	rule := l.rule.Load()
	count := len(rule.Backends)
	body, err := json.MarshalIndent(healthAnswer{
		Service: objectName{rule.Service.Namespace, rule.Service.Name}, LocalEndpoints: count, ServiceProxyHealthy: true,
	}, "", "\t")
	if err != nil {
		panic("proxy: a health check without JSON form: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(count))
	if count == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(body) // whoever asked may have gone
}
