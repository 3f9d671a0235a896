package runtime

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// HostPortAddress is where a container's hostPort is listened on: at the address of its node, or at 127.0.0.1 or ::1 where
// hostIP says so. On a real node hostIP chooses among the node's addresses. Here several nodes share a machine whose other
// addresses are none of theirs: what a pod's author could open there would be open to the machine's network, or taken from
// somebody else.
func HostPortAddress(port corev1.ContainerPort, node netip.Addr) (netip.Addr, error) {
	if port.HostIP == "" {
		return node, nil
	}
	ip, err := netip.ParseAddr(port.HostIP)
	switch {
	case err != nil:
		return ip, fmt.Errorf("hostIP %q of hostPort %d is no IP address", port.HostIP, port.HostPort)
	case ip.IsUnspecified() || ip == node:
		return node, nil
	case ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback():
		return ip, nil
	}
	return ip, fmt.Errorf("hostIP %s of hostPort %d is no address of the node, which has %s; leave hostIP out, or name 127.0.0.1",
		ip, port.HostPort, node)
}

// CheckHostPorts says which hostPort of the pod is at an address that its node does not have.
func CheckHostPorts(pod *corev1.Pod, node netip.Addr) error {
	if pod.Spec.HostNetwork {
		return nil // its containers listen where they like, and nothing is done for them
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, port := range c.Ports {
			if port.HostPort == 0 {
				continue
			}
			if _, err := HostPortAddress(port, node); err != nil {
				return fmt.Errorf("container %s: %w", c.Name, err)
			}
		}
	}
	return nil
}
