package admission

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/core"
)

// The range that node ports are drawn from; upstream's default.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// nodePorts gives the ports of one service out. A number is one port, whatever its protocol: upstream's range knows none.
type nodePorts struct {
	service *corev1.Service
	intN    func(int) int
	taken   map[string]bool // by other services, as the cache knows them
	given   map[int32]bool  // to the service now
}

// give gives the port at the place a number: the one that is asked for, or any. Whether another service has what is asked for the store knows.
func (n *nodePorts) give(i int, asked int32) (int32, error) {
	number, err := n.take(asked)
	switch {
	case err == nil:
		return number, nil
	case asked == 0:
		return 0, apierrors.NewInternalError(fmt.Errorf("failed to allocate a nodePort: %w", err))
	}
	return 0, invalid(n.service, field.Invalid(field.NewPath("spec", "ports").Index(i).Child("nodePort"), asked, err.Error()))
}

func (n *nodePorts) take(asked int32) (int32, error) {
	switch {
	case asked == 0:
		if asked = n.draw(); asked == 0 {
			return 0, errors.New("range is full")
		}
	case asked < firstNodePort || asked > lastNodePort:
		return 0, fmt.Errorf("provided port is not in the valid range. The range of valid ports is %d-%d", firstNodePort, lastNodePort)
	case n.given[asked]:
		return 0, errors.New("provided port is already allocated")
	}
	n.given[asked] = true
	return asked, nil
}

// draw picks a number that nobody has and the service does not ask for; 0 where there is none.
func (n *nodePorts) draw() int32 {
	const count = lastNodePort - firstNodePort + 1
	start := n.intN(count)
	for i := range count {
		number := int32(firstNodePort + (start+i)%count)
		asked := slices.ContainsFunc(n.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort == number })
		if !asked && !n.taken[portKey(number)] && !n.given[number] && number != n.service.Spec.HealthCheckNodePort {
			return number
		}
	}
	return 0
}

// create gives out the ports of a new service. Those that differ only in their protocol share the number that one of them asks for.
func (n *nodePorts) create() error {
	spec := &n.service.Spec
	shared := map[int32]int32{} // the service's port → the node port it was given
	for i := range spec.Ports {
		port := &spec.Ports[i]
		if port.NodePort == 0 && !core.DrawsNodePorts(spec) {
			continue // none is drawn, but those that are asked for are given
		}
		var err error
		switch number := shared[port.Port]; {
		case number == 0:
			asked := int32(0)
			if j := slices.IndexFunc(spec.Ports, func(o corev1.ServicePort) bool { return o.Port == port.Port && o.NodePort != 0 }); j >= 0 {
				asked = spec.Ports[j].NodePort
			}
			port.NodePort, err = n.give(i, asked)
			shared[port.Port] = port.NodePort
		case port.NodePort == 0:
			port.NodePort = number
		case port.NodePort != number:
			_, err = n.give(i, port.NodePort)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// update gives out what a service has not had before.
func (n *nodePorts) update(old *corev1.Service) error {
	spec := &n.service.Spec
	for i := range spec.Ports {
		port := &spec.Ports[i]
		had := slices.ContainsFunc(old.Spec.Ports, func(o corev1.ServicePort) bool { return o.NodePort == port.NodePort })
		switch {
		case port.NodePort == 0 && !core.DrawsNodePorts(spec):
			continue
		case port.NodePort != 0 && (had || n.given[port.NodePort]): // the same number twice validation refuses
			continue
		}
		number, err := n.give(i, port.NodePort)
		if err != nil {
			return err
		}
		port.NodePort = number
	}
	return nil
}

// healthCheck gives a load balancer's service whose nodes use their own endpoints alone the port at which they say whether they have any.
// Upstream answers with 500 where it can't have the one that it asks for.
func (n *nodePorts) healthCheck() error {
	asked := n.service.Spec.HealthCheckNodePort
	number, err := n.take(asked)
	switch {
	case err == nil:
		n.service.Spec.HealthCheckNodePort = number
		return nil
	case asked != 0:
		return invalid(n.service, field.Invalid(field.NewPath("spec", "healthCheckNodePort"), asked, err.Error()))
	}
	return apierrors.NewInternalError(fmt.Errorf("failed to allocate a HealthCheck NodePort: %w", err))
}
