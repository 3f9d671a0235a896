package cluster

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// NetworkMode says how a cluster's addresses exist on this machine.
type NetworkMode string

const (
	// NetworkAnyIP is for root on Linux: a `local <prefix> dev lo` route makes a whole range this machine's own.
	NetworkAnyIP NetworkMode = "anyip"
	// NetworkLoopback is for Linux without root, and for tests: ranges of 127.0.0.0/8, which are there without a route.
	NetworkLoopback NetworkMode = "loopback"
	// NetworkPorts is for systems that have 127.0.0.1 alone: each address and port is a port of that one.
	NetworkPorts NetworkMode = "ports"
)

// NetworkOptions say what ClaimNetwork shall claim. The zero value claims the best that this machine has.
type NetworkOptions struct {
	Path        string      // network.json of the cluster; "" keeps nothing
	Mode        NetworkMode // "" is the best one that works here
	Loopback    bool        // with no Mode: do without routes although they are possible, as tests do
	ServiceCIDR string      // "" is the first candidate that is free; else exactly this, or an error
	PodCIDR     string      // the range that nodes take their /24 from; "" as above
	Nodes       int         // how many nodes there will be at most, simulated ones included; 0 is 255
}

// Network decides where the addresses of a cluster are on this machine: services, nodes and pods, and nothing else in
// minik decides it. Node i (from 1) has the i-th /24 of the pod range, and the first address of that for itself.
//
// A range is claimed by the name of an abstract unix socket. Such a name belongs to a network namespace, as routes do; it
// is seen by root and everyone else, and it ends with its process, so a crash leaves no lock and an end no file.
type Network struct {
	Mode             NetworkMode
	ServiceCIDR      netip.Prefix
	LoadBalancerPool netip.Prefix // the last /24 of ServiceCIDR; cluster addresses are not taken from it
	APIServiceIP     netip.Addr   // the first address of ServiceCIDR: Service default/kubernetes
	DNSIP            netip.Addr   // the tenth
	PodCIDR          netip.Prefix

	owner   string
	notes   []string // what is not possible here, for Describe
	lowPort int32    // smaller ports are not this user's to open
	system  system

	mu    sync.Mutex
	ports map[string]int32 // NetworkPorts: what each "ip:port" became
	taken map[int32]bool   // and the ports that are given away
}

// simulatedTaint is on nodes that are there for scale alone and have no listeners.
const simulatedTaint = "minik.dev/simulated"

// saved is network.json.
type saved struct {
	Owner       string       `json:"owner"`
	Mode        NetworkMode  `json:"mode"`
	ServiceCIDR netip.Prefix `json:"serviceCIDR"`
	PodCIDR     netip.Prefix `json:"podCIDR"`
}

// ClaimNetwork chooses and claims the ranges of a cluster: those it had before where they are free, else the first free
// ones of the candidates. It installs nothing yet.
func ClaimNetwork(o NetworkOptions) (*Network, error) {
	if o.Loopback && o.Mode == "" {
		o.Mode = fallbackMode
	}
	mode, notes, err := chooseMode(o.Mode, anyIPProblem())
	if err != nil {
		return nil, err
	}
	before, err := readSaved(o.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	owner := before.Owner
	if owner == "" {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		owner = hex.EncodeToString(id[:])
	}
	n, err := claim(mode, owner, before, o)
	if err != nil && o.Mode == "" && mode == NetworkAnyIP && o.ServiceCIDR == "" && o.PodCIDR == "" {
		notes = append(notes, fmt.Sprintf("addresses are in 127.0.0.0/8: %v", err))
		n, err = claim(NetworkLoopback, owner, before, o)
	}
	if err != nil {
		return nil, fmt.Errorf("claiming addresses: %w%s", err, advice(o))
	}
	n.notes = append(notes, n.notes...)
	if err := n.save(o.Path); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// advice is what to do about ranges that were asked for and are not to be had.
func advice(o NetworkOptions) string {
	if o.ServiceCIDR == "" && o.PodCIDR == "" {
		return ""
	}
	return "; name others with --service-cidr and --pod-cidr, or leave both out for the first free ones"
}

// LoadNetwork joins the ranges that ClaimNetwork saved at path, for another process of the same cluster.
func LoadNetwork(path string) (*Network, error) {
	s, err := readSaved(path)
	if err != nil {
		return nil, err
	}
	if problem := anyIPProblem(); s.Mode == NetworkAnyIP && problem != "" {
		return nil, fmt.Errorf("%s has mode %s, which is not possible for this process: %s", path, s.Mode, problem)
	}
	n, err := claim(s.Mode, s.Owner, s,
		NetworkOptions{Path: path, ServiceCIDR: s.ServiceCIDR.String(), PodCIDR: s.PodCIDR.String()})
	if err != nil {
		return nil, fmt.Errorf("joining the network of %s: %w", path, err)
	}
	return n, nil
}

// claim takes the ranges while no other process is choosing.
func claim(mode NetworkMode, owner string, before saved, o NetworkOptions) (*Network, error) {
	if o.Path != "" { // a copied data directory is another cluster
		path, err := filepath.Abs(o.Path)
		if err != nil {
			return nil, err
		}
		sum := fnv.New32a()
		sum.Write([]byte(path))
		owner = fmt.Sprintf("%s-%08x", owner, sum.Sum32())
	}
	n := &Network{Mode: mode, owner: owner, ports: map[string]int32{}, taken: map[int32]bool{}}
	n.lowPort = lowestPort()
	release, err := lockClaims()
	if err != nil {
		return nil, err
	}
	defer release()
	used, err := usedRanges(mode, owner)
	if err != nil {
		return nil, err
	}
	if before.Mode != mode {
		before = saved{}
	}
	if n.ServiceCIDR, err = chooseRange("service", o.ServiceCIDR, before.ServiceCIDR, mode, 16, used); err != nil {
		return nil, err
	}
	used = append(used, usedRange{n.ServiceCIDR, "the service range of this cluster"})
	bits := podBits(cmp.Or(o.Nodes, 255), o.PodCIDR != "")
	if n.PodCIDR, err = chooseRange("pod", o.PodCIDR, before.PodCIDR, mode, bits, used); err != nil {
		return nil, err
	}
	for _, r := range []struct{ was, is netip.Prefix }{{before.ServiceCIDR, n.ServiceCIDR}, {before.PodCIDR, n.PodCIDR}} {
		if r.was.IsValid() && !r.is.Contains(r.was.Addr()) {
			n.notes = append(n.notes, fmt.Sprintf("objects made earlier keep addresses of %s, which is taken now: they are "+
				"not reached (this cluster has %s)", r.was, r.is))
		}
	}
	n.LoadBalancerPool, n.APIServiceIP, n.DNSIP = serviceParts(n.ServiceCIDR)
	if err := n.system.hold(mode, owner, n.ServiceCIDR, n.PodCIDR); err != nil {
		return nil, err
	}
	return n, nil
}

// ControlPlaneIP is where the API server is reached as the endpoint of Service default/kubernetes: the first address of the
// pod range, in the /24 before node 1's.
func (n *Network) ControlPlaneIP() netip.Addr { return n.PodCIDR.Addr().Next() }

// Node is the address of node i, counted from 1, and the /24 of its pods, who take addresses from .2 on. Both are invalid
// when the pod range has no such part; OpenNode says so.
func (n *Network) Node(i int) (netip.Addr, netip.Prefix) {
	if i < 1 || i > n.capacity() {
		return netip.Addr{}, netip.Prefix{}
	}
	base := offset(n.PodCIDR.Addr(), i<<8)
	return base.Next(), netip.PrefixFrom(base, 24)
}

func (n *Network) capacity() int { return 1<<(24-n.PodCIDR.Bits()) - 1 }

// Owns says whether this machine listens for the node: its address is the cluster's, and it is none of those that are
// simulated for scale alone.
func (n *Network) Owns(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Key == simulatedTaint {
			return false
		}
	}
	for _, a := range node.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP && n.PodCIDR.Contains(ip) {
			return true
		}
	}
	return false
}

// OpenServices makes the service range and the control plane's address local to this machine. Doing so twice changes
// nothing.
func (n *Network) OpenServices() error {
	return errors.Join(n.openRange(n.ServiceCIDR), n.openRange(netip.PrefixFrom(n.ControlPlaneIP(), 32)))
}

// OpenNode makes the addresses of node i and its pods local to this machine. Doing so twice changes nothing.
func (n *Network) OpenNode(i int) error {
	_, pods := n.Node(i)
	if !pods.IsValid() {
		return fmt.Errorf("node %d: the pod range %s has room for nodes 1 to %d", i, n.PodCIDR, n.capacity())
	}
	return n.openRange(pods)
}

func (n *Network) openRange(prefix netip.Prefix) error {
	if n.Mode != NetworkAnyIP {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.system.addRoute(prefix); err != nil {
		return fmt.Errorf("adding route local %s dev lo: %w", prefix, err)
	}
	return nil
}

// Close gives up this process's claims. The last process of a cluster removes the cluster's routes, those that one that
// crashed has left included.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	release, err := lockClaims()
	if err != nil {
		return err
	}
	defer release()
	return n.system.drop(n.Mode, n.owner, n.ServiceCIDR, n.PodCIDR)
}

func (n *Network) save(path string) error {
	if path == "" {
		return nil
	}
	id, _, _ := cutOwner(n.owner)
	data, err := json.MarshalIndent(saved{id, n.Mode, n.ServiceCIDR, n.PodCIDR}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := replaceFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("saving the network: %w", err)
	}
	return nil
}

func readSaved(path string) (saved, error) {
	var s saved
	if path == "" {
		return s, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("reading the saved network: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s is damaged: %w; delete it, and the next start chooses addresses anew", path, err)
	}
	return s, nil
}
