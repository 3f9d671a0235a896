package network

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"minik.dev/private"
)

// saved is network.json.
type saved struct {
	Owner       string       `json:"owner"`
	Mode        Mode         `json:"mode"`
	ServiceCIDR netip.Prefix `json:"serviceCIDR"`
	PodCIDR     netip.Prefix `json:"podCIDR"`
	NodeCIDR    netip.Prefix `json:"nodeCIDR,omitzero"` // missing where it is the same
	Bridge      string       `json:"bridge,omitempty"`
	BridgeHere  bool         `json:"bridgeHere,omitempty"`
	// Docker says that pods were on an engine once, and so that something of them may be left there.
	Docker bool `json:"docker,omitempty"`
}

// newOwner is a name that no other cluster has.
func newOwner() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// clusterID is the owner's name with the place of its data: a copied data directory is another cluster.
func clusterID(owner, path string) (string, error) {
	if path == "" {
		return owner, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the cluster's directory: %w", err)
	}
	sum := fnv.New32a()
	sum.Write([]byte(path))
	return fmt.Sprintf("%s-%08x", owner, sum.Sum32()), nil
}

// services is the range that services had in this mode.
func (s saved) services(mode Mode) netip.Prefix {
	if s.Mode != mode {
		return netip.Prefix{}
	}
	return s.ServiceCIDR
}

// pods is the range to try first for pods: containers can have that of simulated pods, where it is no loopback range, and
// simulated pods that of the nodes.
func (s saved) pods(mode Mode) netip.Prefix {
	if mode == onBridge {
		if s.PodCIDR.Addr().IsLoopback() {
			return netip.Prefix{}
		}
		return s.PodCIDR
	}
	if s.Mode != mode {
		return netip.Prefix{}
	}
	return s.nodes()
}

func (s saved) nodes() netip.Prefix { return cmp.Or(s.NodeCIDR, s.PodCIDR) }

// network is what another process of the cluster makes of it.
func (s saved) network(owner string) *Network {
	n := &Network{Mode: s.Mode, ServiceCIDR: s.ServiceCIDR, PodCIDR: s.PodCIDR, NodeCIDR: s.nodes(), Bridge: s.Bridge,
		BridgeHere: s.BridgeHere, owner: owner, docker: s.Docker, lowPort: lowestPort(),
		ports: map[string]int32{}, taken: map[int32]bool{}}
	n.gate = newGate(n)
	n.LoadBalancerPool, n.APIServiceIP, n.DNSIP = serviceParts(n.ServiceCIDR)
	return n
}

func (n *Network) save(path string) error {
	if path == "" {
		return nil
	}
	id, _, _ := strings.Cut(n.owner, "-")
	s := saved{Owner: id, Mode: n.Mode, ServiceCIDR: n.ServiceCIDR, PodCIDR: n.PodCIDR, Bridge: n.Bridge,
		BridgeHere: n.BridgeHere, Docker: n.docker}
	if n.NodeCIDR != n.PodCIDR {
		s.NodeCIDR = n.NodeCIDR
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := private.ReplaceFile(path, append(data, '\n'), 0o644); err != nil {
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
