package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"minik.dev/kubelet/ipam"
	"minik.dev/kubelet/probes"
	"minik.dev/kubelet/runtime"
)

// Options are the settings of one node's simulated runtime.
type Options struct {
	// Node is the node's name, as the containers tell it.
	Node string
	// PodCIDR is the node's range of pod addresses; its first host address is the node's own. Default 10.244.0.0/24.
	PodCIDR netip.Prefix
	// Images are patterns of images that exist whatever their name, * standing for any text, with or without the tag.
	Images []string
	// Listen makes containers really listen on their ports. Address maps an address and port to the "ip:port" to listen
	// on; default the same.
	Listen  bool
	Address func(ip string, port int32) string
	// ListenTCP and ListenUDP open such an address, and keep out who may not come in; default net.Listen and
	// net.ListenPacket.
	ListenTCP func(address string) (net.Listener, error)
	ListenUDP func(address string) (net.PacketConn, error)
	// Jitter is a random duration from zero up to its argument, for delays that differ a little; default evenly spread.
	Jitter func(most time.Duration) time.Duration
	Clock  clock.WithTicker
}

// Runtime simulates the containers of one node. It is a runtime.Runtime, a probes.Prober, a runtime.Adopter
// and a runtime.ImageLister.
type Runtime struct {
	options Options

	mu         sync.Mutex // guards everything below and every pod and container
	addresses  *ipam.Pool
	timers     timers
	images     map[string]int64 // pulled, with their sizes
	pods       map[types.UID]*pod
	containers map[string]*container // by ID
	driven     bool                  // Run is running
	changed    func(types.UID)       // nil unless driven
	dirty      []types.UID           // pods to tell of, once mu is released
	serving    sync.WaitGroup        // goroutines that serve ports
}

var (
	_ runtime.Runtime     = (*Runtime)(nil)
	_ probes.Prober       = (*Runtime)(nil)
	_ runtime.Adopter     = (*Runtime)(nil)
	_ runtime.Resizer     = (*Runtime)(nil)
	_ runtime.Versioned   = (*Runtime)(nil)
	_ runtime.ImageLister = (*Runtime)(nil)
)

// pod is a sandbox and its containers.
type pod struct {
	object  *corev1.Pod
	sandbox runtime.Sandbox
	// address is what the node gave the pod; zero for a pod on the host's network and for one that gave it back.
	address    netip.Addr
	containers []*container
}

// container is one attempt at a container.
type container struct {
	runtime.Container
	pod       *pod
	spec      *corev1.Container
	env       []runtime.EnvVar
	behaviour behaviour
	log       *log
	ports     []interface{ Close() error } // what it listens on
}

// New makes a runtime without containers. It starts nothing.
func New(options Options) *Runtime {
	if !options.PodCIDR.IsValid() {
		options.PodCIDR = netip.MustParsePrefix("10.244.0.0/24")
	}
	if options.Address == nil {
		options.Address = func(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
	}
	if options.ListenTCP == nil {
		options.ListenTCP = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if options.ListenUDP == nil {
		options.ListenUDP = func(address string) (net.PacketConn, error) { return net.ListenPacket("udp", address) }
	}
	if options.Jitter == nil {
		options.Jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Runtime{
		options: options, addresses: ipam.New(options.PodCIDR),
		timers: timers{clock: options.Clock, kick: make(chan struct{}, 1)},
		images: map[string]int64{}, pods: map[types.UID]*pod{}, containers: map[string]*container{},
	}
}

// Version is what a simulated node says of its runtime.
const Version = "sim://1.0.0"

// Version is runtime.Versioned's.
func (r *Runtime) Version(context.Context) (string, error) { return Version, nil }

// Run is runtime.Runtime's. Between two runs no time passes for the containers, and none of them listens.
func (r *Runtime) Run(ctx context.Context, changed func(types.UID)) error {
	r.mu.Lock()
	r.driven, r.changed = true, changed
	for _, c := range r.containers {
		if c.State == runtime.Running {
			r.listen(c)
		}
	}
	r.mu.Unlock()
	r.runTimers(ctx)
	r.mu.Lock()
	r.driven, r.changed = false, nil
	for _, c := range r.containers {
		c.closePorts()
	}
	r.mu.Unlock()
	r.serving.Wait()
	return nil
}

// flush tells of the pods that changed; mu is not held.
func (r *Runtime) flush() {
	r.mu.Lock()
	dirty, changed := r.dirty, r.changed
	r.dirty = nil
	r.mu.Unlock()
	if changed == nil {
		return
	}
	for _, uid := range dirty {
		changed(uid)
	}
}

// touch notes that the pod changed; mu is held.
func (r *Runtime) touch(p *pod) {
	if !slices.Contains(r.dirty, p.object.UID) {
		r.dirty = append(r.dirty, p.object.UID)
	}
}

func (r *Runtime) someTime() time.Duration { return base + r.options.Jitter(jitter) }

// identify makes an ID that is the same each time for the same parts.
func identify(parts ...any) string {
	return fmt.Sprintf("sim://%x", sha256.Sum256(fmt.Appendln(nil, parts...)))
}

// StartSandbox is runtime.Runtime's.
func (r *Runtime) StartSandbox(_ context.Context, object *corev1.Pod, attempt int32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.pods[object.UID]; ok {
		return fmt.Errorf("pod %s/%s has a sandbox already", object.Namespace, object.Name)
	}
	ip := r.addresses.Node()
	if err := runtime.CheckHostPorts(object, ip); err != nil {
		return err
	}
	p := &pod{object: object}
	if !object.Spec.HostNetwork {
		addr, err := r.addresses.Take(nil)
		if err != nil {
			return err
		}
		p.address, ip = addr, addr
	}
	now := r.options.Clock.Now()
	p.sandbox = runtime.Sandbox{ID: identify("sandbox", object.UID, attempt, now.UnixNano()), Attempt: attempt,
		Ready: true, IPs: []string{ip.String()}, CreatedAt: now}
	r.pods[object.UID] = p
	return nil
}

// StartContainer is runtime.Runtime's.
func (r *Runtime) StartContainer(_ context.Context, config runtime.ContainerConfig) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pods[config.Pod.UID]
	if p == nil || !p.sandbox.Ready {
		return "", fmt.Errorf("pod %s/%s has no sandbox", config.Pod.Namespace, config.Pod.Name)
	}
	b, err := behaviourOf(config.Pod, config.Container)
	if err != nil {
		return "", err
	}
	id := identify(config.Pod.UID, config.Container.Name, config.Attempt, p.sandbox.ID)
	for _, c := range p.containers {
		if c.Name == config.Container.Name && (c.State != runtime.Exited || c.ID == id) {
			return "", fmt.Errorf("container %s is there already, as attempt %d, and is %s", c.Name, c.Attempt, c.State)
		}
	}
	c := &container{pod: p, spec: config.Container, env: config.Env, behaviour: b, log: &log{},
		Container: runtime.Container{ID: id, Name: config.Container.Name, Attempt: config.Attempt,
			Image: config.Container.Image, ImageID: config.ImageID, State: runtime.Starting,
			CreatedAt: r.options.Clock.Now()}}
	p.containers = append(p.containers, c)
	r.containers[id] = c
	delay := r.someTime()
	if b.startDelay != nil {
		delay = *b.startDelay
	}
	r.timers.after(delay, func() {
		if c.State == runtime.Starting {
			r.begin(c, r.options.Clock.Now())
		}
	})
	return id, nil
}

// begin makes the container run since the given time; mu is held.
func (r *Runtime) begin(c *container, since time.Time) {
	c.State, c.StartedAt = runtime.Running, since
	r.touch(c.pod)
	c.log.add(since, "%s", c.greeting())
	r.listen(c)
	if c.State != runtime.Running {
		return
	}
	now := r.options.Clock.Now()
	if d, code, ok := c.behaviour.lifetime(c.pod.object, c.spec, c.Attempt); ok {
		r.timers.after(since.Add(d).Sub(now), func() { r.end(c, code, "") })
	}
	if c.behaviour.logInterval > 0 {
		r.tick(c, 1)
	}
}

func (c *container) greeting() string {
	if c.behaviour.logLine != "" {
		return c.behaviour.logLine
	}
	words := append(append([]string{c.Image}, c.spec.Command...), c.spec.Args...)
	return fmt.Sprintf("%s starts, attempt %d (simulated)", strings.Join(words, " "), c.Attempt)
}

// tick logs one line each interval; mu is held.
func (r *Runtime) tick(c *container, n int) {
	r.timers.after(c.behaviour.logInterval, func() {
		if c.State == runtime.Running {
			c.log.add(r.options.Clock.Now(), "line %d", n)
			r.tick(c, n+1)
		}
	})
}

// end ends a container that has not ended yet; mu is held.
func (r *Runtime) end(c *container, code int32, message string) {
	if c.State == runtime.Exited {
		return
	}
	now := r.options.Clock.Now()
	if c.StartedAt.IsZero() {
		c.StartedAt = now
	}
	c.State, c.ExitCode, c.Message, c.FinishedAt = runtime.Exited, code, message, now
	c.closePorts()
	c.log.add(now, "exits with code %d", code)
	c.log.close()
	r.touch(c.pod)
}

// killed is the code of a container that was killed.
const killed = 137

// Stop is runtime.Runtime's.
func (r *Runtime) Stop(_ context.Context, id string, grace time.Duration) error {
	defer r.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.sandbox(id); p != nil {
		r.stopSandbox(p)
		return nil
	}
	c := r.containers[id]
	if c == nil {
		return nil
	}
	stop, code := c.behaviour.stopDelay, int32(0)
	if stop > grace {
		stop, code = grace, killed
	}
	if grace <= 0 || c.State == runtime.Starting {
		r.end(c, killed, "")
	} else if stop == 0 {
		r.end(c, code, "")
	} else {
		r.timers.after(stop, func() { r.end(c, code, "") })
	}
	return nil
}

// sandbox finds the pod whose sandbox has this ID.
func (r *Runtime) sandbox(id string) *pod {
	for _, p := range r.pods {
		if p.sandbox.ID == id {
			return p
		}
	}
	return nil
}

func (r *Runtime) stopSandbox(p *pod) {
	for _, c := range p.containers {
		r.end(c, killed, "")
	}
	if p.address.IsValid() {
		r.addresses.Release(p.address)
		p.address = netip.Addr{}
	}
	if p.sandbox.Ready {
		p.sandbox.Ready = false
		r.touch(p)
	}
}

// Remove is runtime.Runtime's.
func (r *Runtime) Remove(_ context.Context, id string) error {
	defer r.flush()
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.sandbox(id); p != nil {
		r.stopSandbox(p)
		for _, c := range p.containers {
			delete(r.containers, c.ID)
		}
		delete(r.pods, p.object.UID)
		r.touch(p)
		return nil
	}
	if c := r.containers[id]; c != nil {
		r.end(c, killed, "")
		delete(r.containers, id)
		c.pod.containers = slices.DeleteFunc(c.pod.containers, func(o *container) bool { return o == c })
		r.touch(c.pod)
	}
	return nil
}

// Pods is runtime.Runtime's.
func (r *Runtime) Pods(_ context.Context, uids ...types.UID) ([]runtime.Pod, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []runtime.Pod
	if len(uids) == 0 {
		for _, p := range r.pods {
			out = append(out, p.list())
		}
	}
	for _, uid := range uids {
		if p := r.pods[uid]; p != nil {
			out = append(out, p.list())
		}
	}
	return out, nil
}

func (p *pod) list() runtime.Pod {
	out := runtime.Pod{UID: p.object.UID, Namespace: p.object.Namespace, Name: p.object.Name, Sandbox: p.sandbox}
	for _, c := range p.containers {
		out.Containers = append(out.Containers, c.Container)
	}
	return out
}
