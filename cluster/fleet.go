package cluster

import (
	"fmt"
	"net/netip"

	"minik.dev/apiserver"
	"minik.dev/kubelet/fleet"
)

// startFleet starts the agent of all simulated nodes beside those that listen: those that it makes itself, and those
// that others make and mark. It returns the names of its own.
func (c *Cluster) startFleet() ([]string, error) {
	config, err := c.config(nodeIdentity("fleet"))
	if err != nil {
		return nil, err
	}
	for _, i := range []int{1, c.options.SimNodes} {
		if _, pods := c.network.Simulated(i); c.options.SimNodes > 0 && !pods.IsValid() {
			return nil, fmt.Errorf("--sim-nodes %d: the pod range %s has no room for %s; leave --pod-cidr out, or name a larger one",
				c.options.SimNodes, c.network.PodCIDR, fleet.Name(i))
		}
	}
	agent, err := fleet.New(config, fleet.Options{
		Nodes: c.options.SimNodes, Range: c.network.Simulated, Capacity: c.options.SimNodeCapacity, Images: c.options.SimImages,
		Version: apiserver.KubernetesVersion, Logger: c.options.Logger, Clock: c.options.Clock,
	})
	if err != nil {
		return nil, err
	}
	c.parts.run("the fleet", agent.Run)
	names := make([]string, 0, c.options.SimNodes)
	for i := range c.options.SimNodes {
		names = append(names, fleet.Name(i+1))
	}
	return names, nil
}

// simulatedFrom is where the addresses of simulated nodes begin where pods are on a bridge: nothing there listens, so
// nothing is claimed.
var simulatedFrom = netip.AddrFrom4([4]byte{10, 128})

// Simulated is the address of the i-th node of the fleet, counted from 1, and the /24 of its pods: those after all
// nodes that listen. Both are invalid when the range has no such part.
func (n *Network) Simulated(i int) (netip.Addr, netip.Prefix) {
	if n.Bridge != "" {
		first := offset(simulatedFrom, i<<8)
		return first.Next(), netip.PrefixFrom(first, 24)
	}
	return n.Node(nodesAtMost + i)
}
