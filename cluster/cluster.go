package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"minik.dev/apiserver"
	"minik.dev/apiserver/etcd"
	"minik.dev/cluster/network"
	"minik.dev/kubelet/docker"
)

// Cluster is a whole cluster in this process.
type Cluster struct {
	options Options
	dir     dataDirectory
	network *network.Network
	pki     *pki
	etcd    *etcd.Server
	server  *apiserver.Server // nil where it runs in another process
	joined  *rest.Config      // how the API server is spoken to that is not this data directory's; nil where it is
	// host is the API server's URL, runtime what runs containers, engine nil where they are simulated; set while Run starts.
	host    string
	runtime runtimeChoice
	engine  *docker.Engine
	admin   *rest.Config
	ready   chan struct{}
	stages  []stage
	parts   parts
	// dial connects to an address of the cluster for every part of it: the network's Dial, which tests watch.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a cluster of the options, or says what is wrong with them. It starts nothing.
func New(options Options) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: options, ready: make(chan struct{})}
	c.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return c.network.Dial(ctx, network, address)
	}
	c.stages = c.bootOrder()
	return c, nil
}

// Ready is closed when the API is served and every node is ready.
func (c *Cluster) Ready() <-chan struct{} { return c.ready }

// Config is the administrator's client configuration; valid once the cluster is ready.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.admin) }

// Kubeconfig is the path of the administrator's kubeconfig; valid once the cluster is ready.
func (c *Cluster) Kubeconfig() string { return c.dir.kubeconfig() }

// Address is where an address and port of the cluster is really listened on; valid once the cluster is ready.
func (c *Cluster) Address(ip string, port int32) string { return c.network.Address(ip, port) }

// Runtime is what runs the containers, and why: "sim: …"; valid once the cluster is ready.
func (c *Cluster) Runtime() string { return c.runtime.String() }

// Run starts the cluster, keeps it running until ctx ends or a part of it fails, and takes everything down but the data.
func (c *Cluster) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, c.down()) }()
	if err := c.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // it was stopped while it started
		}
		return err
	}
	close(c.ready)
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.parts.failed:
		return err
	}
}

// stage is a part of the start.
type stage struct {
	name string
	do   func(context.Context) (detail string, err error)
}

// bootOrder is what a whole cluster starts, one after the other.
func (c *Cluster) bootOrder() []stage {
	return []stage{
		{"data", c.openData},
		{"runtime", c.openRuntime},
		{"network", c.claimNetwork},
		{"certificates", c.openPKI},
		{"etcd", c.startEtcd},
		{"API server", c.startAPIServer},
		{"controllers", c.startControllers},
		{"scheduler", c.startScheduler},
		{"proxy", c.startProxy},
		{"dns", c.startDNS},
		{"nodes", c.startNodes},
	}
}

// start goes through the stages.
func (c *Cluster) start(ctx context.Context) error {
	c.parts.init(ctx, c.options.Logger, c.options.Clock)
	for _, stage := range c.stages {
		c.parts.nextStage()
		began := c.options.Clock.Now()
		detail, err := stage.do(ctx)
		if err != nil {
			return err
		}
		took := c.options.Clock.Since(began)
		c.options.Logger.Info("started", "component", "cluster", "stage", stage.name, "detail", detail, "took", took)
		c.options.Progress(Stage{Name: stage.name, Detail: detail, Took: took})
		select {
		case err := <-c.parts.failed:
			return err
		default:
		}
	}
	return nil
}

// down takes everything down in the opposite order of the start.
func (c *Cluster) down() error {
	err := c.parts.stop()
	return errors.Join(err, c.dir.close())
}

func (c *Cluster) openData(ctx context.Context) (string, error) {
	err := network.CheckDescriptors()
	if err != nil {
		return "", err
	}
	if c.dir, err = makeDataDir(c.options.DataDir, c.options.Ephemeral); err != nil {
		return "", err
	}
	return c.dir.dir, c.acquire(ctx)
}

// acquire takes the data directory for this process alone.
func (c *Cluster) acquire(ctx context.Context) error {
	err := c.dir.acquire()
	// Whoever asks for the status, or joins a network, holds the lock for a moment.
	for try := 1; errors.Is(err, errLocked) && try < lockTries; try++ {
		select {
		case <-c.options.Clock.After(lockPause):
			err = c.dir.acquire()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(err, errLocked) {
		return fmt.Errorf("the data directory %s is in use by another minik%s; end that one with `minik down`, or choose "+
			"another directory with --data-dir", c.dir.dir, c.dir.holder())
	}
	return err
}

// How often, and after what pause, a lock that another process holds is tried again.
const (
	lockTries = 5
	lockPause = 20 * time.Millisecond
)

func (c *Cluster) claimNetwork(ctx context.Context) (string, error) {
	var err error
	if c.network, err = network.Claim(ctx, c.networkOptions()); err != nil {
		return "", err
	}
	c.parts.onStop("network", c.network.Close)
	if err := c.network.Expose(c.options.Expose, c.options.Logger); err != nil {
		return "", err
	}
	if err := c.network.OpenServices(); err != nil {
		return "", err
	}
	detail := fmt.Sprintf("services %s, pods %s", c.network.ServiceCIDR, c.network.PodCIDR)
	for _, line := range c.network.Describe() {
		detail += "; " + line
	}
	return detail, nil
}

func (c *Cluster) networkOptions() network.Options {
	o := network.Options{
		Path:        c.dir.network(),
		PodCIDR:     c.options.PodCIDR,
		ServiceCIDR: c.options.ServiceCIDR,
		Loopback:    c.options.Loopback,
	}
	if c.engine != nil {
		o.Engine = c.engine
	} else if c.options.SimNodes > 0 {
		o.Nodes = network.MaxNodes + c.options.SimNodes
	}
	return o
}

func (c *Cluster) openPKI(context.Context) (string, error) {
	var err error
	c.pki, err = openPKI(c.dir.pki(), c.options.Clock.Now())
	return c.dir.pki(), err
}

// listen opens the API server's listener.
func (c *Cluster) listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := c.network.ListenOpen(ctx, address)
	if err != nil {
		return nil, listenError(address, err)
	}
	return listener, nil
}

// CheckListen says why the API server could not listen on an address, before anything of a cluster is started or written: it is none,
// or its port is taken.
func CheckListen(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("--listen %s: an address has a host and a port, as 127.0.0.1:6443; port 0 takes any free one", address)
	}
	if err := network.Free(ctx, address); err != nil {
		return listenError(address, err)
	}
	return nil
}

// listenError words the mistakes that everybody makes.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listening on %s: the port is taken, perhaps by another cluster; choose another one, or any "+
			"free one with port 0: --listen 127.0.0.1:0", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s: this user may not use the port; choose one above 1023 with --listen", address)
	}
	return fmt.Errorf("listening for the API server, --listen %s: %w", address, err)
}
