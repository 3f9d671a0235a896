package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// fallbackMode is what this system has without AnyIP routes.
const fallbackMode = Loopback

// routeProtocol marks minik's routes (`ip route show table all proto 109`); no routing daemon has this number.
const routeProtocol = 109

// The names of abstract sockets. A claim is claimName/<owner>/<first address>_<bits>/<process>.<number>.
const (
	lockName  = "@minik-network-lock"
	claimName = "@minik-network"
)

var claimNumber atomic.Int64 // tells apart the claims of one process

// system is what a Network holds of the machine.
type system struct {
	claims []int // descriptors of bound sockets
}

// anyIPProblem says why this process cannot add routes; "" if it can. Removing a route that is not there changes nothing,
// and is refused for want of rights first.
func anyIPProblem() string {
	err := netlink.RouteDel(localRoute(netip.MustParsePrefix("198.51.100.255/32")))
	if err == nil || errors.Is(err, unix.ESRCH) {
		return ""
	}
	return fmt.Sprintf("routes need root (CAP_NET_ADMIN): %v", err)
}

// lowestPort is the first port that this user may open; 0 is all of them.
func lowestPort() int32 {
	if os.Geteuid() == 0 {
		return 0
	}
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, convErr := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && convErr == nil {
		return int32(n)
	}
	return 1024
}

// bind takes an abstract socket's name, which ends with the process or the descriptor. Nobody can connect to it.
func bind(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// lockClaims waits for its turn to choose, claim or give up ranges; others hold it for milliseconds.
func lockClaims() (func(), error) {
	for range 5000 {
		fd, err := bind(lockName)
		if err == nil {
			return func() { unix.Close(fd) }, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("locking address claims: %w", err)
		}
		time.Sleep(2 * time.Millisecond) //nolint:forbidigo // other processes hold it in real time
	}
	return nil, fmt.Errorf("locking address claims: another minik has held %s for 10 s", lockName)
}

// otherClaims are the ranges claimed in this network namespace by other clusters, and how many claims are owner's.
func otherClaims(owner string) (others []usedRange, own int, err error) {
	data, err := os.ReadFile("/proc/thread-self/net/unix")
	if err != nil {
		return nil, 0, fmt.Errorf("reading address claims: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		at := strings.Index(line, claimName+"/")
		if at < 0 {
			continue
		}
		parts := strings.Split(strings.TrimSpace(line[at:]), "/")
		if len(parts) != 4 {
			continue
		}
		prefix, err := netip.ParsePrefix(strings.ReplaceAll(parts[2], "_", "/"))
		switch {
		case err != nil:
		case parts[1] == owner:
			own++
		default:
			pid, _, _ := strings.Cut(parts[3], ".")
			others = append(others, usedRange{prefix, "which another minik (process " + pid + ") has claimed"})
		}
	}
	return others, own, nil
}

// usedRanges are those that a new claim must not overlap: other clusters', and where routes lead. An interface's address
// is a route too. Minik's own routes count by their claims alone, so those of a crashed one do not count, and neither do
// those of the cluster's own bridge.
func usedRanges(mode Mode, owner string, own ownBridge) ([]usedRange, error) {
	if mode == Ports {
		return nil, nil
	}
	used, _, err := otherClaims(owner)
	if err != nil || mode == Loopback {
		return used, err // the system's own route for 127.0.0.0/8 is what this mode lives on
	}
	routes, err := allRoutes()
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		prefix, ok := toPrefix(r.Dst)
		if !ok || prefix.Bits() <= 1 || r.Protocol == routeProtocol { // the whole world, or half of it, is a default route
			continue
		}
		device := "no device"
		if link, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			device = link.Attrs().Name
		}
		if own.has(device, prefix) {
			continue
		}
		used = append(used, usedRange{prefix, "which is routed to " + device})
	}
	return used, nil
}

func allRoutes() ([]netlink.Route, error) {
	for range 5 { // the kernel says when the table changed while it was read
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC},
			netlink.RT_FILTER_TABLE)
		if err == nil {
			return routes, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("listing routes: %w", err)
		}
	}
	return nil, errors.New("listing routes: the table kept changing")
}

// hold claims the ranges. The first process of an owner removes the routes that a crashed minik left in them.
func (s *system) hold(mode Mode, owner string, prefixes ...netip.Prefix) error {
	if mode == Ports {
		return nil
	}
	if err := removeUnused(mode, owner, prefixes); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		name := fmt.Sprintf("%s/%s/%s_%d/%d.%d", claimName, owner, prefix.Addr(), prefix.Bits(), os.Getpid(),
			claimNumber.Add(1))
		fd, err := bind(name)
		if err != nil {
			s.release()
			return fmt.Errorf("claiming %s: %w", prefix, err)
		}
		s.claims = append(s.claims, fd)
	}
	return nil
}

func (s *system) release() {
	for _, fd := range s.claims {
		unix.Close(fd)
	}
	s.claims = nil
}

// addRoute makes prefix local. A route that is there already, of this cluster or a crashed one, is as good.
func (s *system) addRoute(prefix netip.Prefix) error {
	if err := netlink.RouteAdd(localRoute(prefix)); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// addBarrier ends at this machine what is for an address of the prefix that no other route leads to.
func (s *system) addBarrier(prefix netip.Prefix) error {
	if err := netlink.RouteAdd(barrierRoute(prefix)); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// addAddress gives the interface another address, of this one host. One that is there already is as good.
func (s *system) addAddress(device string, address netip.Addr) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding the bridge %s: %w", device, err)
	}
	one := &netlink.Addr{IPNet: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrAdd(link, one); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding address %s to the bridge %s: %w", address, device, err)
	}
	return nil
}

// drop takes back what hold and addRoute did. Routes stay while another process of this owner is there, whose listeners
// may need them; the last one removes all of minik's routes in the ranges, those of a process that crashed included.
func (s *system) drop(mode Mode, owner string, ranges ...netip.Prefix) (last bool, err error) {
	held := len(s.claims) > 0
	s.release()
	if !held {
		return false, nil
	}
	if _, own, err := otherClaims(owner); err != nil || own > 0 {
		return false, err
	}
	return true, removeUnused(mode, owner, ranges)
}

// removeUnused removes all of minik's routes in the owner's ranges, unless a process of this owner is there.
func removeUnused(mode Mode, owner string, ranges []netip.Prefix) error {
	if mode != AnyIP {
		return nil
	}
	if _, own, err := otherClaims(owner); err != nil || own > 0 {
		return err
	}
	routes, err := allRoutes()
	errs := []error{err}
	for _, r := range routes {
		prefix, ok := toPrefix(r.Dst)
		if !ok || r.Protocol != routeProtocol {
			continue
		}
		for _, mine := range ranges {
			if mine.Contains(prefix.Addr()) {
				errs = append(errs, removeRoute(prefix, r.Type))
			}
		}
	}
	return errors.Join(errs...)
}

func removeRoute(prefix netip.Prefix, kind int) error {
	route, name := localRoute(prefix), "local %s dev lo"
	if kind == unix.RTN_UNREACHABLE {
		route, name = barrierRoute(prefix), "unreachable %s"
	}
	if err := netlink.RouteDel(route); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("removing route "+name+": %w", prefix, err)
	}
	return nil
}

// ownRoutes are minik's routes in the ranges, but for those of a cluster that has claimed a range since the owner gave it up.
func ownRoutes(owner string, ranges ...netip.Prefix) (out []netip.Prefix, err error) {
	release, err := lockClaims()
	if err != nil {
		return nil, err
	}
	defer release()
	others, _, err := otherClaims(owner)
	if err != nil {
		return nil, err
	}
	routes, err := allRoutes()
	for _, r := range routes {
		prefix, ok := toPrefix(r.Dst)
		if !ok || r.Protocol != routeProtocol || !slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Contains(prefix.Addr()) }) {
			continue
		}
		if _, taken := overlapping(prefix, others); !taken {
			out = append(out, prefix)
		}
	}
	return out, err
}

// barrierRoute is `unreachable <prefix> proto 109`.
func barrierRoute(prefix netip.Prefix) *netlink.Route {
	return &netlink.Route{Type: unix.RTN_UNREACHABLE, Table: unix.RT_TABLE_MAIN, Protocol: routeProtocol, Dst: toIPNet(prefix)}
}

// localRoute is `local <prefix> dev lo table local proto 109`. The loopback interface is number 1 in every namespace.
func localRoute(prefix netip.Prefix) *netlink.Route {
	return &netlink.Route{LinkIndex: 1, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Table: unix.RT_TABLE_LOCAL,
		Protocol: routeProtocol, Dst: toIPNet(prefix)}
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones), ok
}
