package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/docker"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/sim"
)

// What runs containers.
const (
	runtimeAuto   = "auto"
	runtimeDocker = "docker"
	runtimeSim    = "sim"
)

// enginePatience is how long an engine may take to answer before containers are simulated, or before it is given up.
const enginePatience = 3 * time.Second

// runtimeChoice is what runs the containers, and why.
type runtimeChoice struct{ kind, why string }

func (c runtimeChoice) String() string { return c.kind + ": " + c.why }

// chooseRuntime decides what runs containers. engine describes the one that answered, engineErr says why none did.
func chooseRuntime(wanted, engine string, engineErr error) (runtimeChoice, error) {
	switch {
	case wanted == runtimeSim:
		return runtimeChoice{runtimeSim, "asked for"}, nil
	case wanted == runtimeDocker && engineErr != nil:
		return runtimeChoice{}, fmt.Errorf("--runtime docker: %w; --runtime sim simulates containers", engineErr)
	case wanted == runtimeDocker:
		return runtimeChoice{runtimeDocker, engine + ", asked for"}, nil
	case engineErr != nil:
		return runtimeChoice{runtimeSim, "containers are simulated, as no engine runs them: " + engineErr.Error()}, nil
	}
	return runtimeChoice{runtimeDocker, engine + ", which answers"}, nil
}

// openRuntime finds the engine, unless containers shall be simulated.
func (c *Cluster) openRuntime(ctx context.Context) (string, error) {
	var described string
	var engineErr error
	if c.options.Runtime != runtimeSim {
		if engineErr = c.connect(ctx); engineErr == nil {
			described = describeEngine(c.engine)
		}
	}
	choice, err := chooseRuntime(c.options.Runtime, described, engineErr)
	if err != nil {
		return "", err
	}
	c.runtime = choice
	return choice.String(), nil
}

// describeEngine names the engine, and says where it does not confine containers.
func describeEngine(e *docker.Engine) string {
	if warning := e.Warning(); warning != "" {
		return e.Describe() + ", " + warning
	}
	return e.Describe()
}

// connect opens the engine until the cluster ends.
func (c *Cluster) connect(ctx context.Context) error {
	engine, err := connectEngine(ctx)
	if err != nil {
		return err
	}
	c.engine = engine
	c.parts.onStop("the connection to the engine", engine.Close)
	return nil
}

// connectEngine finds the engine and waits for its answer, but not for long.
func connectEngine(ctx context.Context) (*docker.Engine, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, enginePatience,
		fmt.Errorf("the engine did not answer within %s", enginePatience))
	defer cancel()
	engine, err := docker.Connect(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return engine, err
}

// joinRuntime finds what runs a lone kubelet's containers: what the API server's process has chosen, as it made the network.
// At another's API server each component chooses for itself (joinOther).
func (c *Cluster) joinRuntime(ctx context.Context) (string, error) {
	if c.joined != nil {
		return c.runtime.String(), nil
	}
	switch wanted, onDocker := c.options.Runtime, c.network.Bridge != ""; {
	case wanted == runtimeDocker && !onDocker:
		return "", errors.New("--runtime docker: this cluster's addresses were chosen for simulated containers; start its API " +
			"server with --runtime docker too")
	case wanted == runtimeSim && onDocker:
		return "", errors.New("--runtime sim: this cluster's pods are on a bridge of Docker's; start its API server with --runtime " +
			"sim too")
	case !onDocker:
		c.runtime = runtimeChoice{runtimeSim, "as for the API server"}
		return c.runtime.String(), nil
	}
	if err := c.connect(ctx); err != nil {
		return "", fmt.Errorf("finding the engine that runs this cluster's containers: %w", err)
	}
	c.runtime = runtimeChoice{runtimeDocker, describeEngine(c.engine)}
	return c.runtime.String(), nil
}

// newRuntime makes the runtime of the i-th node.
func (c *Cluster) newRuntime(name string, i int) runtime.Runtime {
	ip, pods := c.network.Node(i)
	if c.runtime.kind == runtimeDocker {
		return docker.NewRuntime(c.engine, docker.Options{
			Cluster: c.network.ID(), Node: name, PodCIDR: pods, NodeIP: ip, GPUs: gpusOf(i, c.options.NodeCapacity),
			Clock: c.options.Clock, Logger: c.options.Logger.With("node", name),
		})
	}
	return sim.New(sim.Options{
		Node: name, PodCIDR: pods, Images: c.options.SimImages, Listen: true, Address: c.network.Address,
		ListenTCP: c.listenTCP, ListenUDP: c.listenUDP, Clock: c.options.Clock,
	})
}

// removeContainers is for what the kubelets had no time to kill, and for the volumes of a cluster that leaves no data.
func (c *Cluster) removeContainers() error {
	if c.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.parts.base, cleanPatience)
	defer cancel()
	if c.options.Ephemeral {
		return c.engine.RemoveCluster(ctx, c.network.ID())
	}
	return c.engine.RemoveContainers(ctx, c.network.ID())
}

// gpu is the resource whose devices an engine tells apart.
const gpu corev1.ResourceName = "nvidia.com/gpu"

// gpusOf are the devices of node i among all of the engine's: those after the devices of the nodes before it.
func gpusOf(i int, capacity corev1.ResourceList) []string {
	quantity := capacity[gpu]
	n := int(quantity.Value())
	var devices []string
	for k := range n {
		devices = append(devices, strconv.Itoa((i-1)*n+k))
	}
	return devices
}

// nameServers are those of the pods: none where containers do not reach the cluster's own, and they use this machine's.
func (c *Cluster) nameServers() []netip.Addr {
	if !c.network.ReachedByContainers() {
		return nil
	}
	return []netip.Addr{c.network.DNSIP}
}
