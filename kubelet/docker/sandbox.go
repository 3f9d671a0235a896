package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/runtime"
)

// addressTries bounds how many addresses a sandbox is tried with that the engine turns out to have given away.
const addressTries = 8

// StartSandbox is runtime.Runtime's.
func (r *Runtime) StartSandbox(ctx context.Context, pod *corev1.Pod, attempt int32) error {
	if err := r.await(ctx); err != nil {
		return err
	}
	if has, _ := r.sandboxOf(pod.UID); has != nil {
		return fmt.Errorf("pod %s/%s has the sandbox %.12s already", pod.Namespace, pod.Name, has.id)
	}
	if err := runtime.CheckHostPorts(pod, r.options.NodeIP); err != nil {
		return err
	}
	image, err := r.engine.pauseImage(ctx)
	if err != nil {
		return err
	}
	mounts, err := r.makeVolumes(ctx, pod)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		address, give, err := r.takeAddress(pod)
		if err != nil {
			return err
		}
		err = r.startSandbox(ctx, pod, r.sandboxRequest(pod, image, attempt, address, mounts))
		give()
		if err == nil || try >= addressTries || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
		r.log.Warn("a pod address is taken by something else on the engine", "address", address)
	}
}

// startSandbox makes and starts the sandbox; one that does not start is removed.
func (r *Runtime) startSandbox(ctx context.Context, pod *corev1.Pod, request createRequest) error {
	id, err := r.create(ctx, request)
	if err != nil {
		return fmt.Errorf("creating the sandbox of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	err = r.openVolumes(ctx, pod, id)
	if err == nil {
		err = r.engine.client.ContainerStart(ctx, id, container.StartOptions{})
	}
	r.begun(request.name)
	if err != nil {
		// What is cut short by ctx must go all the same.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return errors.Join(fmt.Errorf("starting the sandbox of pod %s/%s: %w", pod.Namespace, pod.Name, err),
			r.engine.remove(cleanup, id))
	}
	return r.refresh(ctx, id)
}

// createRequest is what the engine is asked to create.
type createRequest struct {
	name    string
	config  *container.Config
	host    *container.HostConfig
	network *network.NetworkingConfig
}

// sandboxRequest is the sandbox of a pod, at that address; an invalid one is that of the host's network.
func (r *Runtime) sandboxRequest(pod *corev1.Pod, image string, attempt int32, address netip.Addr,
	mounts []mount.Mount) createRequest {
	labels := r.podLabels(pod)
	labels[labelContainer] = sandboxName
	labels[labelAttempt] = strconv.Itoa(int(attempt))
	out := createRequest{
		name:   r.containerName(pod, sandboxName, attempt),
		config: &container.Config{Image: image, Labels: labels},
		host: &container.HostConfig{
			NetworkMode: "host", IpcMode: container.IPCModeShareable, Mounts: mounts,
			LogConfig: container.LogConfig{Type: "none"},
		},
	}
	if pod.Spec.HostIPC {
		out.host.IpcMode = container.IPCModeHost
	}
	if pod.Spec.HostPID {
		out.host.PidMode = "host"
	}
	if !address.IsValid() {
		out.host.UTSMode = "host"
		return out
	}
	labels[labelIP] = address.String()
	out.config.Hostname, out.config.Domainname = runtime.Hostname(pod), domainname(pod)
	if full := out.config.Hostname + "." + out.config.Domainname; isTrue(pod.Spec.SetHostnameAsFQDN) &&
		out.config.Domainname != "" && len(full) <= runtime.LongestHostname {
		out.config.Hostname, out.config.Domainname = full, ""
	}
	out.host.Sysctls = sysctls(pod)
	out.config.ExposedPorts, out.host.PortBindings = hostPorts(pod, r.options.NodeIP)
	name := networkName(r.options.Cluster)
	out.host.NetworkMode = container.NetworkMode(name)
	out.network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		name: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address.String()}},
	}}
	return out
}

// containerName is unique on the engine: so one attempt at a container can never be made twice.
func (r *Runtime) containerName(pod *corev1.Pod, name string, attempt int32) string {
	return strings.Join([]string{networkName(r.options.Cluster), name, pod.Name, pod.Namespace, string(pod.UID),
		strconv.Itoa(int(attempt))}, "_")
}

func domainname(pod *corev1.Pod) string {
	if pod.Spec.Subdomain == "" {
		return ""
	}
	return pod.Spec.Subdomain + "." + pod.Namespace + ".svc.cluster.local"
}

func sysctls(pod *corev1.Pod) map[string]string {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	out := map[string]string{}
	for _, s := range pod.Spec.SecurityContext.Sysctls {
		out[s.Name] = s.Value
	}
	return out
}

// hostPorts are the ports of the pod's containers that are found on the node's address.
func hostPorts(pod *corev1.Pod, node netip.Addr) (nat.PortSet, nat.PortMap) {
	exposed, bound := nat.PortSet{}, nat.PortMap{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, p := range c.Ports {
			if p.HostPort == 0 {
				continue
			}
			ip, err := runtime.HostPortAddress(p, node)
			if err != nil {
				continue // it was refused before
			}
			protocol := strings.ToLower(string(p.Protocol))
			if protocol == "" {
				protocol = "tcp"
			}
			port := nat.Port(fmt.Sprintf("%d/%s", p.ContainerPort, protocol))
			exposed[port] = struct{}{}
			bound[port] = append(bound[port], nat.PortBinding{HostIP: ip.String(), HostPort: strconv.Itoa(int(p.HostPort))})
		}
	}
	return exposed, bound
}

// takeAddress is a free address of the node's range, kept until give is called: by then the sandbox's label keeps it. It
// is invalid for a pod on the host's network.
func (r *Runtime) takeAddress(pod *corev1.Pod) (address netip.Addr, give func(), err error) {
	if pod.Spec.HostNetwork {
		return netip.Addr{}, func() {}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	used := map[netip.Addr]bool{}
	for _, c := range r.containers {
		if c.address.IsValid() && c.sandbox.Ready {
			used[c.address] = true
		}
	}
	address, err = r.addresses.Take(func(a netip.Addr) bool { return used[a] || a == r.options.NodeIP })
	if err != nil {
		return netip.Addr{}, nil, fmt.Errorf("node %s has no free pod address left in %s", r.options.Node, r.options.PodCIDR.Masked())
	}
	return address, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.addresses.Release(address)
	}, nil
}

// sandboxOf is the pod's newest sandbox, ready or not; nil where there is none.
func (r *Runtime) sandboxOf(uid types.UID) (*record, runtime.Sandbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.sandboxLocked(uid)
	if c == nil {
		return nil, runtime.Sandbox{}
	}
	return c, c.sandbox
}

func (r *Runtime) sandboxLocked(uid types.UID) *record {
	var newest *record
	for _, c := range r.pods[uid] {
		if c.name == sandboxName && (newest == nil || c.sandbox.Attempt > newest.sandbox.Attempt) {
			newest = c
		}
	}
	return newest
}
