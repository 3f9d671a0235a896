package framework

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

var nodePortsRow = plugin{
	name: NodePorts,
	reads: []string{
		"spec.containers.ports.hostIP", "spec.containers.ports.hostPort", "spec.containers.ports.protocol",
		"spec.initContainers.ports.hostIP", "spec.initContainers.ports.hostPort", "spec.initContainers.ports.protocol",
		"spec.initContainers.restartPolicy", // only those of sidecars count
	},
	key:     appendHostPorts,
	prepare: func(s *shape, _ *Profile, _ *Snapshot, pod *corev1.Pod) { s.ports = hostPorts(pod) },
	check:   checkNodePorts,
	helps:   NodeAdded | PodRemoved,
}

func appendHostPorts(b []byte, _ *Profile, pod *corev1.Pod) []byte {
	b = append(b, 'p')
	for _, port := range hostPorts(pod) {
		b = appendWord(appendWord(b, port.ip), string(port.protocol))
		b = strconv.AppendInt(b, int64(port.port), 10)
	}
	return b
}

// checkNodePorts: a port of the node belongs to one pod at a time.
func checkNodePorts(s *shape, n *NodeInfo) *Rejection {
	for _, wanted := range s.ports {
		for taken := range n.ports {
			if wanted.conflicts(taken) {
				return reject(NodePorts, false, "node(s) didn't have free ports for the requested pod ports")
			}
		}
	}
	return nil
}

// hostPort is a port of the node's own that a container takes.
type hostPort struct {
	ip       string // "0.0.0.0" is every address of the node
	protocol corev1.Protocol
	port     int32
}

const everyAddress = "0.0.0.0"

func hostPorts(pod *corev1.Pod) []hostPort {
	var ports []hostPort
	take := func(c *corev1.Container) {
		for _, p := range c.Ports {
			if p.HostPort <= 0 {
				continue
			}
			port := hostPort{ip: p.HostIP, protocol: p.Protocol, port: p.HostPort}
			if port.ip == "" {
				port.ip = everyAddress
			}
			if port.protocol == "" {
				port.protocol = corev1.ProtocolTCP
			}
			ports = append(ports, port)
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			take(c)
		}
	}
	for i := range pod.Spec.Containers {
		take(&pod.Spec.Containers[i])
	}
	return ports
}

// conflicts reports whether two pods cannot both have their port on one node.
func (p hostPort) conflicts(q hostPort) bool {
	return p.port == q.port && p.protocol == q.protocol &&
		(p.ip == q.ip || p.ip == everyAddress || q.ip == everyAddress)
}
