package docker

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// How much is kept of a container's log, as upstream's containerLogMaxSize and containerLogMaxFiles.
const (
	logSize  = "10m"
	logFiles = "5"
)

// surroundings is what a container's settings follow from besides its spec.
type surroundings struct {
	name    string
	sandbox string // the engine's ID
	memory  int64  // of the engine's machine
	labels  map[string]string
	mounts  mounts
	gpus    []string
	user    string // the image's
}

// mounts are what a container mounts, in the engine's two ways to say so.
type mounts struct {
	mounts []mount.Mount
	binds  []string
}

// StartContainer is runtime.Runtime's. A container whose process cannot be started is there all the same, has ended, and
// says why.
func (r *Runtime) StartContainer(ctx context.Context, config runtime.ContainerConfig) (string, error) {
	if err := r.await(ctx); err != nil {
		return "", err
	}
	box, _ := r.sandboxOf(config.Pod.UID)
	if box == nil {
		return "", fmt.Errorf("pod %s/%s has no sandbox to start container %s in", config.Pod.Namespace, config.Pod.Name,
			config.Container.Name)
	}
	if err := r.runsAlready(config); err != nil {
		return "", err
	}
	user, err := r.imageUser(ctx, config)
	if err != nil {
		return "", err
	}
	if err := verifyNonRoot(config.Pod, config.Container, user); err != nil {
		return "", err
	}
	_, appArmor := r.engine.option("apparmor")
	if err := verifyAppArmor(config.Pod, config.Container, appArmor); err != nil {
		return "", err
	}
	around := surroundings{name: r.containerName(config.Pod, config.Container.Name, config.Attempt), sandbox: box.id,
		memory: r.engine.memory, labels: r.podLabels(config.Pod), user: user}
	if err := r.fillVolumes(ctx, config, box.id); err != nil {
		return "", err
	}
	taken := &binds{binder: r.binder}
	defer r.release(taken)
	if around.mounts, err = r.mountsOf(ctx, config, box.id, taken); err != nil {
		return "", err
	}
	devices, give, err := r.takeGPUs(config.Container)
	if err != nil {
		return "", err
	}
	defer give()
	around.gpus = devices
	request := containerRequest(config, around)
	id, err := r.create(ctx, request)
	if err != nil {
		return "", err
	}
	defer r.begun(request.name)
	if err := r.engine.client.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return r.notStarted(ctx, id, config, err)
	}
	return kubeletID(id), r.refresh(ctx, id)
}

// release takes away private mounts when the container that they were for has started, or has not.
func (r *Runtime) release(taken *binds) {
	if err := taken.release(); err != nil {
		r.log.Warn("a private mount is left until this node stops", "error", err)
	}
}

// notStarted sorts a failed start: where the engine has noted why on the container, that is how the container ended. What
// cannot propagate is refused before there is a process, as upstream's runtimes do.
func (r *Runtime) notStarted(ctx context.Context, id string, config runtime.ContainerConfig, err error) (string, error) {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	refused := unshared(config, err)
	if refused != nil {
		err = refused
	}
	seen, inspectErr := r.engine.client.ContainerInspect(cleanup, id)
	if refused == nil && inspectErr == nil && seen.State.Error != "" && ctx.Err() == nil {
		return kubeletID(id), r.refresh(cleanup, id)
	}
	if removeErr := r.engine.remove(cleanup, id); removeErr != nil {
		r.log.Warn("a container that did not start is left", "error", removeErr)
	} else {
		r.forget(id) // the kubelet is not to see it as one that has ended, until the engine's event comes
	}
	return "", err
}

// runsAlready is an error where an earlier attempt at the container has not ended.
func (r *Runtime) runsAlready(config runtime.ContainerConfig) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.pods[config.Pod.UID] {
		if c.name == config.Container.Name && !c.isSandbox() && c.alive() {
			return fmt.Errorf("%s is %s already", describe(config.Pod, c.name), c.container.State)
		}
	}
	return nil
}

// create makes a container. One of the same name that never ran is what an earlier try has left, and goes.
func (r *Runtime) create(ctx context.Context, request createRequest) (string, error) {
	r.mu.Lock()
	r.making[request.name] = true
	r.mu.Unlock()
	ask := func() (container.CreateResponse, error) {
		return r.engine.client.ContainerCreate(ctx, request.config, request.host, request.network, nil, request.name)
	}
	answer, err := ask()
	if errdefs.IsConflict(err) {
		left, inspectErr := r.engine.client.ContainerInspect(ctx, request.name)
		if inspectErr == nil && left.Config.Labels[labelCluster] == r.options.Cluster && left.State.Status == "created" {
			if err := r.engine.remove(ctx, left.ID); err != nil {
				return "", err
			}
			answer, err = ask()
		}
	}
	if err != nil {
		r.begun(request.name)
		return "", err
	}
	return answer.ID, nil
}

// begun says that a container is no longer between its creation and its start.
func (r *Runtime) begun(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.making, name)
}

// containerRequest is what the engine is asked to create for a container.
func containerRequest(config runtime.ContainerConfig, around surroundings) createRequest {
	pod, c := config.Pod, config.Container
	labels := maps.Clone(around.labels)
	labels[labelContainer] = c.Name
	labels[labelAttempt] = strconv.Itoa(int(config.Attempt))
	labels[labelImage] = c.Image
	if len(around.gpus) > 0 {
		labels[labelGPUs] = strings.Join(around.gpus, ",")
	}
	out := createRequest{
		name: around.name,
		config: &container.Config{
			Image: strings.TrimPrefix(config.ImageID, scheme), Labels: labels, WorkingDir: c.WorkingDir,
			Entrypoint: config.Command, Cmd: config.Args,
			Tty: c.TTY, OpenStdin: c.Stdin, StdinOnce: c.StdinOnce,
			User:        userOf(pod, c, around.user),
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}, // a pod has probes instead
		},
		host: &container.HostConfig{
			NetworkMode: joins(around.sandbox), IpcMode: container.IpcMode(joins(around.sandbox)),
			Mounts: around.mounts.mounts, Binds: around.mounts.binds,
			LogConfig: container.LogConfig{Type: "json-file",
				Config: map[string]string{"max-size": logSize, "max-file": logFiles}},
			Resources: resourcesOf(c), OomScoreAdj: oomScore(pod, c, around.memory),
		},
	}
	for _, v := range config.Env {
		out.config.Env = append(out.config.Env, v.Name+"="+v.Value)
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		out.config.StopSignal = string(*c.Lifecycle.StopSignal)
	}
	if len(around.gpus) > 0 {
		out.host.DeviceRequests = []container.DeviceRequest{{DeviceIDs: around.gpus, Capabilities: [][]string{{"gpu"}}}}
	}
	switch {
	case config.Target != "":
		out.host.PidMode = container.PidMode(joins(engineID(config.Target)))
	case pod.Spec.HostPID:
		out.host.PidMode = "host"
	case pod.Spec.ShareProcessNamespace != nil && *pod.Spec.ShareProcessNamespace:
		out.host.PidMode = container.PidMode(joins(around.sandbox))
	}
	if pod.Spec.HostNetwork {
		out.host.UTSMode = "host"
	}
	secure(out.host, config)
	return out
}

// joins is the engine's word for sharing a namespace with a container.
func joins(sandbox string) container.NetworkMode {
	return container.NetworkMode("container:" + sandbox)
}

// The kernel's units of cpu time, and upstream's least amounts.
const (
	sharesPerCPU = 1024
	leastShares  = 2
	quotaPeriod  = 100_000 // microseconds
	leastQuota   = 1_000
)

// resourcesOf are the cgroup's settings: requests weigh cpu time, limits bound cpu and memory. There is no swap.
func resourcesOf(c *corev1.Container) container.Resources {
	var out container.Resources
	cpu, asked := c.Resources.Requests[corev1.ResourceCPU]
	limit, limited := c.Resources.Limits[corev1.ResourceCPU]
	if !asked && limited {
		cpu = limit
	}
	out.CPUShares = max(leastShares, cpu.MilliValue()*sharesPerCPU/1000)
	if limited && !limit.IsZero() {
		out.CPUPeriod = quotaPeriod
		out.CPUQuota = max(leastQuota, limit.MilliValue()*quotaPeriod/1000)
	}
	if memory, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
		out.Memory, out.MemorySwap = memory.Value(), memory.Value()
	}
	return out
}

// oomScore says whom the kernel kills first when the machine is out of memory: upstream's table by quality of service,
// and for burstable containers who asked for the least. Upstream protects guaranteed ones by -997; here none is below
// zero, which engines without CAP_SYS_RESOURCE (rootless ones, those in a container) cannot set.
func oomScore(pod *corev1.Pod, c *corev1.Container, machine int64) int {
	switch pod.Status.QOSClass {
	case corev1.PodQOSGuaranteed:
		return 0
	case corev1.PodQOSBestEffort:
		return 1000
	}
	if machine <= 0 {
		return 999
	}
	request := c.Resources.Requests[corev1.ResourceMemory]
	return int(min(max(1000-1000*request.Value()/machine, 3), 999))
}

// gpuResource is the resource whose devices are handed out one by one.
const gpuResource corev1.ResourceName = "nvidia.com/gpu"

// takeGPUs chooses free devices for the container, kept until give is called: by then the container's label keeps them.
func (r *Runtime) takeGPUs(c *corev1.Container) (devices []string, give func(), err error) {
	limit := c.Resources.Limits[gpuResource]
	wanted := int(limit.Value())
	r.mu.Lock()
	defer r.mu.Unlock()
	used := maps.Clone(r.gpus)
	for _, other := range r.containers {
		for _, device := range other.gpus {
			used[device] = used[device] || other.alive()
		}
	}
	for _, device := range r.options.GPUs {
		if len(devices) < wanted && !used[device] {
			devices = append(devices, device)
		}
	}
	if len(devices) < wanted {
		return nil, nil, fmt.Errorf("container %s needs %d of %s, and %d of the node's %d are free", c.Name, wanted, gpuResource,
			len(devices), len(r.options.GPUs))
	}
	for _, device := range devices {
		r.gpus[device] = true
	}
	return devices, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, device := range devices {
			delete(r.gpus, device)
		}
	}, nil
}
