package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"

	"minik.dev/apiserver/store"
	"minik.dev/cluster/network"
)

// Options are what a cluster is made of.
type Options struct {
	// DataDir holds everything that outlives a run: etcd/, pki/, kubeconfig, nodes/, logs/. Required unless Ephemeral.
	DataDir string
	// Ephemeral makes a temporary DataDir, which is removed at the end, and leaves out etcd's fsyncs.
	Ephemeral bool
	// Listen is the API server's address; port 0 takes any free one.
	Listen string
	// Runtime is auto, docker or sim.
	Runtime string
	// Nodes is how many nodes there are, named node-1, node-2, ….
	Nodes int
	// NodeCapacity replaces the defaults of the resources it names.
	NodeCapacity corev1.ResourceList
	// SimNodes is how many nodes there are besides, for scale: sim-1, sim-2, …, simulated whatever Runtime is, by one
	// agent. They have no listeners, and carry the taint minik.dev/simulated:NoSchedule.
	SimNodes int
	// SimNodeCapacity replaces the defaults of the resources it names; empty is NodeCapacity.
	SimNodeCapacity corev1.ResourceList
	// SimImages are images that the simulated runtime takes although it would refuse them.
	SimImages []string
	// PodCIDR and ServiceCIDR override the blocks of addresses; empty takes the first free ones.
	PodCIDR, ServiceCIDR string
	// Expose are the sources outside this machine that may reach Services, node ports and pods; none is this machine and its
	// containers alone. Listen says who reaches the API server.
	Expose []netip.Prefix
	// ExternalIPs are the addresses that Services may take for themselves by externalIPs or their status; none is none. Who
	// reaches them is a matter of Expose.
	ExternalIPs []netip.Prefix
	// ForeignNodes are addresses of nodes on other machines, and of their pods, that the API server may connect to for logs,
	// exec, attach, port-forward and proxy; it does so to this cluster's own in any case.
	ForeignNodes []netip.Prefix
	// Loopback keeps all addresses within 127.0.0.0/8, and so needs no route and no privilege.
	Loopback bool
	// EtcdServers are the URLs of an etcd to use in place of the embedded one.
	EtcdServers []string
	// History bounds what is kept of the past; the zero value is DefaultHistory.
	History store.History
	// SchedulerConfig is a file with a KubeSchedulerConfiguration; empty is the default.
	SchedulerConfig string

	// Progress is told of each stage of the start as it completes; nil tells nobody.
	Progress func(Stage)
	Logger   *slog.Logger
	Clock    clock.WithTicker
}

// Stage is a part of the start that is done.
type Stage struct {
	// Name says what was started, Detail where or how.
	Name, Detail string
	// Took is how long the stage itself took.
	Took time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if o.DataDir == "" && !o.Ephemeral {
		return o, errors.New("a cluster needs a data directory: none is given and it is not ephemeral")
	}
	if o.Nodes < 1 || o.Nodes > network.MaxNodes {
		return o, fmt.Errorf("a cluster has 1 to %d nodes, not %d", network.MaxNodes, o.Nodes)
	}
	if o.SimNodes < 0 || o.SimNodes > network.MaxSimulatedNodes {
		return o, fmt.Errorf("a cluster has 0 to %d simulated nodes for scale, not %d", network.MaxSimulatedNodes, o.SimNodes)
	}
	if len(o.SimNodeCapacity) == 0 {
		o.SimNodeCapacity = o.NodeCapacity
	}
	if o.History == (store.History{}) {
		o.History = DefaultHistory
	}
	if err := checkHistory(o.History, len(o.EtcdServers) == 0); err != nil {
		return o, err
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:6443"
	}
	switch o.Runtime {
	case "":
		o.Runtime = runtimeAuto
	case runtimeAuto, runtimeSim, runtimeDocker:
	default:
		return o, fmt.Errorf("unknown runtime %q: it is auto, docker or sim", o.Runtime)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Progress == nil {
		o.Progress = func(Stage) {}
	}
	return o, nil
}

// ParseCapacity reads a node's capacity: "cpu=4,memory=8Gi,nvidia.com/gpu=1,pods=110".
func ParseCapacity(text string) (corev1.ResourceList, error) {
	capacity := corev1.ResourceList{}
	for _, part := range strings.Split(text, ",") {
		name, amount, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form resource=quantity", part)
		}
		key := corev1.ResourceName(name)
		switch key {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage:
		default:
			if errs := validation.IsQualifiedName(name); len(errs) > 0 || !strings.Contains(name, "/") {
				return nil, fmt.Errorf("%q is no resource: it is cpu, memory, pods, ephemeral-storage, or an extended resource "+
					"such as nvidia.com/gpu", name)
			}
		}
		if _, twice := capacity[key]; twice {
			return nil, fmt.Errorf("%q is given twice", name)
		}
		quantity, err := resource.ParseQuantity(amount)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no quantity: examples are 4, 500m, 8Gi", name, amount)
		}
		if quantity.Sign() < 0 {
			return nil, fmt.Errorf("%s: %q is negative", name, amount)
		}
		if whole := key != corev1.ResourceCPU && key != corev1.ResourceMemory; whole && quantity.MilliValue()%1000 != 0 {
			return nil, fmt.Errorf("%s: %q is not a whole number", name, amount)
		}
		capacity[key] = quantity
	}
	return capacity, nil
}
