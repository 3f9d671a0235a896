package docker

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"minik.dev/kubelet/ipam"
	"minik.dev/kubelet/runtime"
)

// Options are the settings of one node's runtime.
type Options struct {
	// Cluster is the cluster's ID, Node the node's name: together they mark what is this runtime's own on the engine.
	Cluster, Node string
	// PodCIDR is the node's part of the cluster network's range; its pods have addresses from the third on. NodeIP is the
	// node's own address, where host ports are found.
	PodCIDR netip.Prefix
	NodeIP  netip.Addr
	// GPUs are the IDs of the engine's devices that are this node's.
	GPUs []string

	Logger *slog.Logger
	Clock  clock.WithTicker
}

// cleanupTimeout bounds what is taken back after a failure.
const cleanupTimeout = 10 * time.Second

// Runtime runs the containers of one node on a Docker engine.
type Runtime struct {
	engine  *Engine
	options Options
	log     *slog.Logger
	binder  *binder
	kick    chan struct{} // wakes killer: there is a new deadline

	mu sync.Mutex // guards everything below and every record
	// containers are all of the node's by the engine's ID, sandboxes included; pods are the same by pod.
	containers map[string]*record
	pods       map[types.UID]map[string]*record
	volumes    map[types.UID]map[string]string // the engine's names by the spec's
	filled     map[string]string               // the image whose files a volume has, by the engine's name of the volume
	// down is why the engine cannot be asked, nil while events come in; turned is closed and replaced when it changes.
	down    error
	turned  chan struct{}
	changed func(types.UID) // nil unless Run runs
	// making are the names of containers between their creation and their start.
	making map[string]bool
	// tickets number the looks at containers: an older look never overwrites a newer one.
	tickets uint64
	// looks counts the looks under way at each container; gone are those that were forgotten meanwhile.
	looks map[string]int
	gone  map[string]bool
	// addresses has in use what is between being chosen and being on a sandbox, whose label keeps it from then on.
	addresses *ipam.Pool
	gpus      map[string]bool // devices between being chosen and being on a container
}

var (
	_ runtime.Runtime      = (*Runtime)(nil)
	_ runtime.VolumeKeeper = (*Runtime)(nil)
	_ runtime.Executor     = (*Runtime)(nil)
	_ runtime.Resizer      = (*Runtime)(nil)
	_ runtime.PodDialer    = (*Runtime)(nil)
	_ runtime.Versioned    = (*Runtime)(nil)
	_ runtime.ImageLister  = (*Runtime)(nil)
)

// record is one container as it was seen last. The kubelet's view of it is in sandbox or in container.
type record struct {
	id, name string
	uid      types.UID
	pod      [2]string // namespace and name
	address  netip.Addr
	gpus     []string
	ticket   uint64
	// deadline is when the container is killed; zero means never. killing says that it is under way.
	deadline time.Time
	killing  bool

	sandbox   runtime.Sandbox
	container runtime.Container
}

func (c *record) isSandbox() bool { return c.name == sandboxName }

// alive says that the container has not ended.
func (c *record) alive() bool {
	if c.isSandbox() {
		return c.sandbox.Ready
	}
	return c.container.State != runtime.Exited
}

// NewRuntime makes the runtime of a node. It starts nothing; before Run has listed the node's containers, every method
// waits for that.
func NewRuntime(engine *Engine, options Options) *Runtime {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	return &Runtime{
		engine: engine, options: options, binder: newBinder(engine, options.Cluster, options.Node), kick: make(chan struct{}, 1),
		log:        options.Logger.With("component", "kubelet", "runtime", "docker"),
		containers: map[string]*record{}, pods: map[types.UID]map[string]*record{},
		volumes: map[types.UID]map[string]string{}, filled: map[string]string{},
		down: errNotListed, turned: make(chan struct{}), making: map[string]bool{},
		looks: map[string]int{}, gone: map[string]bool{},
		addresses: ipam.New(options.PodCIDR), gpus: map[string]bool{},
	}
}

// Version is runtime.Versioned's. It asks the engine, so that a node notices when that is gone.
func (r *Runtime) Version(ctx context.Context) (string, error) {
	if err := r.engine.ping(ctx); err != nil {
		return "", err
	}
	return "docker://" + r.engine.version, nil
}

// Pods is runtime.Runtime's. It is answered from what the engine's events have told.
func (r *Runtime) Pods(ctx context.Context, uids ...types.UID) ([]runtime.Pod, error) {
	if err := r.await(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(uids) == 0 {
		for uid := range r.pods {
			uids = append(uids, uid)
		}
		for uid := range r.volumes {
			if len(r.pods[uid]) == 0 {
				uids = append(uids, uid)
			}
		}
	}
	var out []runtime.Pod
	for _, uid := range uids {
		if pod, ok := r.podLocked(uid); ok {
			out = append(out, pod)
		}
	}
	return out, nil
}

// podLocked is all that there is of a pod. Containers without a sandbox, which somebody else removed, count as one that is
// dead: its removal takes them with it.
func (r *Runtime) podLocked(uid types.UID) (runtime.Pod, bool) {
	pod := runtime.Pod{UID: uid}
	for _, c := range r.pods[uid] {
		pod.Namespace, pod.Name = c.pod[0], c.pod[1]
		if !c.isSandbox() {
			pod.Containers = append(pod.Containers, c.container)
			if pod.Sandbox.ID == "" {
				pod.Sandbox.ID = lostSandbox(uid)
			}
		}
	}
	if c := r.sandboxLocked(uid); c != nil {
		pod.Sandbox = c.sandbox
	}
	for name := range r.volumes[uid] {
		pod.Volumes = append(pod.Volumes, name)
	}
	return pod, len(r.pods[uid]) > 0 || len(r.volumes[uid]) > 0
}

// lookup finds a container by the ID that the kubelet knows.
func (r *Runtime) lookup(id string) (record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[engineID(id)]
	if !ok {
		return record{}, false
	}
	return *c, true
}

// scheme starts the IDs that the kubelet knows; the engine's own follow.
const scheme = "docker://"

func kubeletID(id string) string { return scheme + id }

func engineID(id string) string {
	if len(id) > len(scheme) && id[:len(scheme)] == scheme {
		return id[len(scheme):]
	}
	return ""
}

// lostSandbox stands for the sandbox of a pod that has containers and no sandbox.
func lostSandbox(uid types.UID) string { return scheme + "lost-sandbox-of-" + string(uid) }

// describe names a container for an error.
func describe(pod *corev1.Pod, name string) string {
	return fmt.Sprintf("container %s of pod %s/%s", name, pod.Namespace, pod.Name)
}
