package cluster

import (
	"fmt"

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
