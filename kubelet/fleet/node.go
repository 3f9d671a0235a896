package fleet

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/api"
	"minik.dev/kubelet"
	"minik.dev/kubelet/sim"
)

// Name is that of the i-th node, from 1.
func Name(i int) string { return fmt.Sprintf("sim-%d", i) }

// indexOf is the other way round; ok is false for a name that is none of the fleet's own.
func indexOf(name string) (i int, ok bool) {
	text, ok := strings.CutPrefix(name, "sim-")
	i, err := strconv.Atoi(text)
	return i, ok && err == nil && i > 0 && Name(i) == name
}

// benchmark is the range of RFC 2544, which no network routes: pods on nodes without a podCIDR have their addresses
// of it.
var benchmark = netip.MustParsePrefix("198.18.0.0/15")

// newNode is the fleet's own i-th node as it is made.
func newNode(o Options, i int, bootID string, now time.Time) *corev1.Node {
	ip, cidr := o.Range(i)
	self := kubelet.Options{
		Node: Name(i), Capacity: o.Capacity, IPs: []netip.Addr{ip}, PodCIDRs: []netip.Prefix{cidr},
		Labels: map[string]string{api.Simulated: "true"},
		Taints: []corev1.Taint{{Key: api.Simulated, Effect: corev1.TaintEffectNoSchedule}},
	}
	return kubelet.NodeObject(nil, self, systemInfo(o, Name(i), bootID), now)
}

// nodeStatus is what a node of the fleet is to report. Capacity, allocatable, addresses and system information that
// the node has already stay as they are, but for the capacity of the fleet's own nodes.
func nodeStatus(o Options, node *corev1.Node, bootID string, now time.Time) corev1.NodeStatus {
	self := kubelet.Options{Node: node.Name, Capacity: node.Status.Capacity}
	i, own := indexOf(node.Name)
	own = own && i <= o.Nodes
	if own || len(self.Capacity) == 0 {
		self.Capacity = o.Capacity
	}
	info := systemInfo(o, node.Name, bootID)
	was := node.Status.NodeInfo
	if was.KubeletVersion != "" && was.ContainerRuntimeVersion != info.ContainerRuntimeVersion {
		info = was // whoever made the node has said what it is
	}
	out := kubelet.NodeObject(node, self, info, now).Status
	out.DaemonEndpoints.KubeletEndpoint.Port = 0
	out.Addresses = addresses(node)
	if !own && len(node.Status.Allocatable) > 0 {
		out.Allocatable = node.Status.Allocatable
	}
	return out
}

// addresses are those that the node has, or what follows from its podCIDR and its name.
func addresses(node *corev1.Node) []corev1.NodeAddress {
	if len(node.Status.Addresses) > 0 {
		return node.Status.Addresses
	}
	var out []corev1.NodeAddress
	if cidr, err := netip.ParsePrefix(node.Spec.PodCIDR); err == nil {
		out = append(out, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: cidr.Masked().Addr().Next().String()})
	}
	return append(out, corev1.NodeAddress{Type: corev1.NodeHostName, Address: node.Name})
}

// hostIPs are the node's own addresses.
func hostIPs(node *corev1.Node) []string {
	var out []string
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out = append(out, a.Address)
		}
	}
	return out
}

// podRange is the node's range of pod addresses; ok is false where it has none of its own.
func podRange(node *corev1.Node) (netip.Prefix, bool) {
	cidr, err := netip.ParsePrefix(node.Spec.PodCIDR)
	return cidr, err == nil && cidr.Addr().Is4()
}

func systemInfo(o Options, name, bootID string) corev1.NodeSystemInfo {
	return corev1.NodeSystemInfo{
		MachineID: name, SystemUUID: name, BootID: bootID, KubeletVersion: o.Version, OperatingSystem: runtime.GOOS,
		Architecture: runtime.GOARCH, OSImage: "minik (simulated)", KernelVersion: runtime.GOOS,
		ContainerRuntimeVersion: sim.Version,
	}
}

// isReady says that the API knows the node as ready.
func isReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
