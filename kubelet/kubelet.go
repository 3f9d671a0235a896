package kubelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"minik.dev/api"
	"minik.dev/control"
	"minik.dev/journal"
	"minik.dev/kubelet/runtime"
)

// component is how the kubelet names itself: User-Agent, source of Events, actor in the journal.
const component = "kubelet"

// killTimeout bounds what a kubelet does after it was told to stop.
const killTimeout = 2 * time.Second

// Options are the settings of one kubelet.
type Options struct {
	// Node is the node's name, Runtime what runs its containers, and Dial how an address of the cluster is connected to, for
	// probes, hooks and port-forward; all are required.
	Node    string
	Runtime runtime.Runtime
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)

	// Capacity replaces the defaults of the resources it names: 4 cpu, 8Gi memory, 110 pods, 100Gi ephemeral-storage.
	Capacity corev1.ResourceList
	// PodCIDRs are the node's ranges of pod addresses, set in the Node's spec when it has none.
	PodCIDRs []netip.Prefix
	// IPs are the node's own addresses, the primary one first.
	IPs []netip.Addr
	// Labels are set on the Node besides upstream's own; Taints only when the Node is created.
	Labels map[string]string
	Taints []corev1.Taint

	// Dir is the node's own directory, where pods' files are: volumes, hosts, resolv.conf, termination logs. Empty means
	// that the runtime mounts nothing, and that volumes are only checked.
	Dir string
	// ClusterDNS are the name servers of pods, ClusterDomain the domain of the cluster's names; default "cluster.local".
	ClusterDNS    []netip.Addr
	ClusterDomain string

	// Listen opens the listener of the kubelet's HTTPS server each time the node gets power; nil means no server.
	Listen func() (net.Listener, error)
	// TLS is the server's certificate and, in ClientCAs, who signs the API server's; required with Listen.
	TLS *tls.Config
	// Port is the server's port as the Node tells it; default 10250.
	Port int32

	// KillOnExit makes the end of Run a power cut with a tidy hand: every container is killed and removed, and the next
	// start runs the pods again with one more restart. Otherwise they run on, and the next start adopts them.
	KillOnExit bool
	// Version is the Node's kubeletVersion; default "v1.37.2".
	Version string
	// NewBootID makes the ID of one boot of the node; default a random UUID.
	NewBootID func() string

	Logger *slog.Logger
	Clock  clock.WithTicker
}

// Kubelet is the agent of one node.
type Kubelet struct {
	options  Options
	client   kubernetes.Interface
	controls cache.ListerWatcher // nil: the node's power is never cut
	gate     *control.Gate       // nil: nobody can hold the node
	log      *slog.Logger
	clock    clock.WithTicker
	hostIPs  []string
	// current is the session that the runtime's changes wake; nil without power.
	current atomic.Pointer[session]
}

// New makes a kubelet that speaks to the API server with config. It starts nothing.
func New(config *rest.Config, options Options) (*Kubelet, error) {
	config = journal.Config(config, component)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the kubelet's client: %w", err)
	}
	controls, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	name := api.ControlName(component + "/" + options.Node)
	watch := cache.NewListWatchFromClient(controls, "controls", "", fields.OneTermEqualSelector("metadata.name", name))
	k, err := newKubelet(client, watch, options)
	if err != nil {
		return nil, err
	}
	k.gate = control.NewGate(controls, component+"/"+k.options.Node, k.clock, k.log)
	return k, nil
}

func newKubelet(client kubernetes.Interface, controls cache.ListerWatcher, options Options) (*Kubelet, error) {
	switch {
	case options.Node == "":
		return nil, errors.New("kubelet: Options.Node is empty")
	case options.Runtime == nil:
		return nil, errors.New("kubelet: Options.Runtime is nil")
	case options.Dial == nil:
		return nil, errors.New("kubelet: Options.Dial is nil")
	case options.Listen != nil && (options.TLS == nil || options.TLS.ClientCAs == nil):
		return nil, errors.New("kubelet: Options.Listen needs Options.TLS with ClientCAs, else anyone could read the logs")
	}
	if options.Port == 0 {
		options.Port = 10250
	}
	if options.Version == "" {
		options.Version = "v1.37.2"
	}
	if options.ClusterDomain == "" {
		options.ClusterDomain = "cluster.local"
	}
	if options.NewBootID == nil {
		options.NewBootID = uuid.NewString
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	k := &Kubelet{options: options, client: client, controls: controls, clock: options.Clock,
		log: options.Logger.With("component", component, "node", options.Node)}
	for _, ip := range options.IPs {
		k.hostIPs = append(k.hostIPs, ip.String())
	}
	return k, nil
}

// Run serves the node until ctx is done, and returns when all its goroutines have.
func (k *Kubelet) Run(ctx context.Context) error {
	// 1. The runtime outlives ctx by the time it takes to kill what runs.
	runtimeCtx, stopRuntime := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRuntime()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := k.options.Runtime.Run(runtimeCtx, k.wake); err != nil {
			return fmt.Errorf("running the runtime of node %s: %w", k.options.Node, err)
		}
		return nil
	})
	// 2. The power switch is watched all the time, with and without power.
	power := newPower(k.controls == nil)
	if k.controls != nil {
		group.Go(func() error { return k.watchPower(ctx, power) })
		group.Go(func() error { k.gate.Run(ctx); return nil })
	}
	// 3. One session each time the node has power.
	group.Go(func() error {
		defer stopRuntime()
		err := k.sessions(ctx, power)
		if k.options.KillOnExit {
			k.shutDown(runtimeCtx, power)
		}
		return err
	})
	return group.Wait()
}

// sessions runs one session after the other: each ends with the power or with ctx.
func (k *Kubelet) sessions(ctx context.Context, power *power) error {
	rebooted := false
	if power.seen(ctx) && !power.on() {
		// An engine that runs on while its kubelet is killed may still run what a node without power cannot.
		if err := k.kill(ctx); err != nil {
			k.log.Error("killing the containers of a node that starts without power", "error", err)
		}
		rebooted = true
	}
	for power.wait(ctx, false) {
		session, cut := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- k.session(session, rebooted) }()
		power.wait(session, true, done)
		cut()
		if err := <-done; err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		k.log.Info("power is cut", "reason", "the control's spec.stopped is true")
		if err := k.kill(context.WithoutCancel(ctx)); err != nil {
			k.log.Error("killing the containers after a power cut", "error", err)
		}
		rebooted = true
	}
	return nil
}

// kill removes every sandbox with its containers at once.
func (k *Kubelet) kill(ctx context.Context) error {
	pods, err := k.options.Runtime.Pods(ctx)
	if err != nil {
		return fmt.Errorf("listing the pods to kill: %w", err)
	}
	var failed []error
	for _, pod := range pods {
		if err := k.options.Runtime.Remove(ctx, pod.Sandbox.ID); err != nil {
			failed = append(failed, fmt.Errorf("killing pod %s/%s: %w", pod.Namespace, pod.Name, err))
		}
	}
	return errors.Join(failed...)
}

// shutDown kills everything and ends the node's boot, so that the next start adopts nothing.
func (k *Kubelet) shutDown(ctx context.Context, power *power) {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	if err := k.kill(ctx); err != nil {
		k.log.Error("killing the containers at the end", "error", err)
	}
	if power.on() {
		if err := k.endBoot(ctx); err != nil {
			k.log.Warn("the node's boot could not be ended; a simulated node will adopt its pods", "error", err)
		}
	}
}

// wake is told by the runtime which pod changed.
func (k *Kubelet) wake(uid types.UID) {
	if s := k.current.Load(); s != nil {
		s.queue.Add(uid)
	}
}
