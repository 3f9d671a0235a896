package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync"
)

// Mode says how a cluster's addresses exist on this machine.
type Mode string

const (
	// AnyIP is for root on Linux: a `local <prefix> dev lo` route makes a whole range this machine's own.
	AnyIP Mode = "anyip"
	// Loopback is for Linux without root, and for tests: ranges of 127.0.0.0/8, which are there without a route.
	Loopback Mode = "loopback"
	// Ports is for systems that have 127.0.0.1 alone: each address and port is a port of that one.
	Ports Mode = "ports"
)

// Options say what Claim shall claim. The zero value claims the best that this machine has.
type Options struct {
	Path        string // network.json of the cluster; "" keeps nothing
	Mode        Mode   // "" is the best one that works here
	Loopback    bool   // with no Mode: do without routes although they are possible, as tests do
	ServiceCIDR string // "" is the first candidate that is free; else exactly this, or an error
	PodCIDR     string // the range that nodes take their /24 from; "" as above
	Nodes       int    // how many nodes there will be at most, simulated ones included; 0 is 255
	Engine      Engine // what runs the pods on a bridge; nil where they are simulated
}

// Network decides where the addresses of a cluster are on this machine: services, nodes and pods, and nothing else in
// minik decides it. Node i (from 1) has the i-th /24 of the pod range, and the first address of that for itself. Where pods
// are on a bridge that takes no node addresses, nodes have a range of their own: bridge.go.
//
// A range is claimed by the name of an abstract unix socket. Such a name belongs to a network namespace, as routes do; it
// is seen by root and everyone else, and it ends with its process, so a crash leaves no lock and an end no file.
type Network struct {
	Mode             Mode
	ServiceCIDR      netip.Prefix
	LoadBalancerPool netip.Prefix // the last /24 of ServiceCIDR; cluster addresses are not taken from it
	APIServiceIP     netip.Addr   // the first address of ServiceCIDR: Service default/kubernetes
	DNSIP            netip.Addr   // the tenth
	PodCIDR          netip.Prefix
	NodeCIDR         netip.Prefix // of the nodes' own addresses and the control plane's; mostly the same as PodCIDR
	Bridge           string       // the interface on which the pods are; "" where pods are simulated
	BridgeHere       bool         // this machine has that interface, and so reaches the pods

	owner  string
	docker bool // pods have been on an engine, now or earlier
	// removeBridge is nil where this process did not make it.
	removeBridge func() error
	notes        []string // what is not possible here, for Describe
	lowPort      int32    // smaller ports are not this user's to open
	system       system
	gate         *gate
	expose       []netip.Prefix // sources outside this machine that may come in

	mu    sync.Mutex
	ports map[string]int32 // Ports: what each "ip:port" became
	taken map[int32]bool   // and the ports that are given away
}

// Claim chooses and claims the ranges of a cluster: those it had before where they are free, else the first free
// ones of the candidates. It installs nothing yet but the bridge, where there is an engine.
func Claim(ctx context.Context, o Options) (*Network, error) {
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
	if before.Owner == "" {
		before.Owner = newOwner()
	}
	n, err := claim(ctx, mode, before, o)
	if err != nil && o.Mode == "" && mode == AnyIP && o.ServiceCIDR == "" && o.PodCIDR == "" {
		notes = append(notes, fmt.Sprintf("addresses are in 127.0.0.0/8: %v", err))
		n, err = claim(ctx, Loopback, before, o)
	}
	if err != nil {
		return nil, fmt.Errorf("claiming addresses: %w%s", err, advice(o))
	}
	n.notes = append(notes, n.notes...)
	// The owner's name first: a start that is cut off after this finds its bridge again.
	if err := n.save(o.Path); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if o.Engine == nil {
		return n, nil
	}
	if err := n.openBridge(ctx, before, o); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.save(o.Path); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// advice is what to do about ranges that were asked for and are not to be had.
func advice(o Options) string {
	if o.ServiceCIDR == "" && o.PodCIDR == "" {
		return ""
	}
	return "; name others with --service-cidr and --pod-cidr, or leave both out for the first free ones"
}

// Load joins the ranges that Claim saved at path, for another process of the same cluster.
func Load(path string) (*Network, error) {
	s, err := readSaved(path)
	if err != nil {
		return nil, err
	}
	if problem := anyIPProblem(); s.Mode == AnyIP && problem != "" {
		return nil, fmt.Errorf("%s has mode %s, which is not possible for this process: %s", path, s.Mode, problem)
	}
	owner, err := clusterID(s.Owner, path)
	if err != nil {
		return nil, err
	}
	n := s.network(owner)
	release, err := lockClaims()
	if err != nil {
		return nil, err
	}
	defer release()
	used, err := usedRanges(s.Mode, owner, ownBridge{device: s.Bridge})
	if err != nil {
		return nil, err
	}
	for _, prefix := range n.ranges() {
		if u, ok := overlapping(prefix, used); ok {
			return nil, fmt.Errorf("joining the network of %s: %s overlaps %s, %s", path, prefix, u.prefix, u.by)
		}
	}
	if err := n.system.hold(n.Mode, owner, n.ranges()...); err != nil {
		return nil, fmt.Errorf("joining the network of %s: %w", path, err)
	}
	return n, nil
}

// claim takes the ranges while no other process is choosing.
func claim(ctx context.Context, mode Mode, before saved, o Options) (*Network, error) {
	owner, err := clusterID(before.Owner, o.Path)
	if err != nil {
		return nil, err
	}
	n := &Network{Mode: mode, owner: owner, docker: before.Docker || o.Engine != nil,
		ports: map[string]int32{}, taken: map[int32]bool{}, lowPort: lowestPort()}
	n.gate = newGate(n)
	onEngine, own, err := engineRanges(ctx, o.Engine, owner)
	if err != nil {
		return nil, err
	}
	if o.Engine != nil && own.device == "" {
		own.device = before.Bridge
	}
	release, err := lockClaims()
	if err != nil {
		return nil, err
	}
	defer release()
	used, err := usedRanges(mode, owner, own)
	if err != nil {
		return nil, err
	}
	if n.ServiceCIDR, err = chooseRange("service", o.ServiceCIDR, before.services(mode), mode, 16, used); err != nil {
		return nil, err
	}
	pods := mode
	if o.Engine != nil { // on a bridge they are among all of this machine's routes, whatever mode services have
		pods = onBridge
		if used, err = usedRanges(AnyIP, owner, own); err != nil {
			return nil, err
		}
		used = append(used, onEngine...)
	}
	used = append(used, usedRange{n.ServiceCIDR, "the service range of this cluster"})
	bits := podBits(cmp.Or(o.Nodes, 255), o.PodCIDR != "")
	if n.PodCIDR, err = chooseRange("pod", o.PodCIDR, before.pods(pods), pods, bits, used); err != nil {
		return nil, err
	}
	n.NodeCIDR = n.PodCIDR
	n.notes = lostRanges(n, before.services(mode), before.pods(pods))
	n.LoadBalancerPool, n.APIServiceIP, n.DNSIP = serviceParts(n.ServiceCIDR)
	if err := n.system.hold(mode, owner, n.ServiceCIDR, n.PodCIDR); err != nil {
		return nil, err
	}
	return n, nil
}

// lostRanges says which of the ranges that the cluster had are taken now.
func lostRanges(n *Network, services, pods netip.Prefix) (notes []string) {
	for _, r := range []struct{ was, is netip.Prefix }{{services, n.ServiceCIDR}, {pods, n.PodCIDR}} {
		if r.was.IsValid() && !r.is.Contains(r.was.Addr()) {
			notes = append(notes, fmt.Sprintf("objects made earlier keep addresses of %s, which is taken now: they are "+
				"not reached (this cluster has %s)", r.was, r.is))
		}
	}
	return notes
}

// ranges are what a process of the cluster claims.
func (n *Network) ranges() []netip.Prefix {
	if n.NodeCIDR == n.PodCIDR {
		return []netip.Prefix{n.ServiceCIDR, n.PodCIDR}
	}
	return []netip.Prefix{n.ServiceCIDR, n.PodCIDR, n.NodeCIDR}
}

// ID is the cluster's own name on this machine: of its claims, its bridge and its containers.
func (n *Network) ID() string { return n.owner }

// OpenServices makes the service range and the control plane's address local to this machine, and keeps what is for nodes and
// pods that are not there from leaving it: on another machine's network these addresses may be anybody's. Doing so twice
// changes nothing.
func (n *Network) OpenServices() error {
	err := n.openRange(n.ServiceCIDR)
	if n.Bridge == "" || n.NodeCIDR != n.PodCIDR {
		err = errors.Join(err, n.closeRange(n.NodeCIDR))
	}
	if n.BridgeHere {
		return err // the control plane's address is the bridge's own
	}
	return errors.Join(err, n.openRange(netip.PrefixFrom(n.ControlPlaneIP(), 32)))
}

// OpenNode makes the address of node i local to this machine, and those of its pods where they are simulated. Doing so
// twice changes nothing.
func (n *Network) OpenNode(i int) error {
	node, pods := n.Node(i)
	switch {
	case !pods.IsValid():
		return fmt.Errorf("node %d: the pod range %s has room for nodes 1 to %d", i, n.PodCIDR, n.capacity())
	case n.Bridge == "":
		return n.openRange(pods)
	case n.NodeCIDR == n.PodCIDR:
		return n.system.addAddress(n.Bridge, node)
	}
	return n.openRange(netip.PrefixFrom(node, 32))
}

func (n *Network) openRange(prefix netip.Prefix) error {
	if n.Mode != AnyIP {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.system.addRoute(prefix); err != nil {
		return fmt.Errorf("adding route local %s dev lo: %w", prefix, err)
	}
	return nil
}

func (n *Network) closeRange(prefix netip.Prefix) error {
	if n.Mode != AnyIP {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.system.addBarrier(prefix); err != nil {
		return fmt.Errorf("adding route unreachable %s: %w", prefix, err)
	}
	return nil
}

// Close gives up this process's claims. The last process of a cluster removes the cluster's routes, those that one that
// crashed has left included, and its bridge unless containers are left on it.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	release, err := lockClaims()
	if err != nil {
		return err
	}
	defer release()
	last, err := n.system.drop(n.Mode, n.owner, n.ranges()...)
	if err == nil && last {
		err = n.closeBridge()
	}
	return err
}
