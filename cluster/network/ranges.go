package network

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// usedRange is a range that somebody has, and who, as the end of a sentence.
type usedRange struct {
	prefix netip.Prefix
	by     string
}

// chooseMode picks the mode, and says what the choice costs. problem is why AnyIP routes are impossible, "" if they are not.
func chooseMode(wanted Mode, problem string) (Mode, []string, error) {
	switch wanted {
	case Loopback, Ports:
		return wanted, nil, nil
	case AnyIP:
		if problem != "" {
			return "", nil, fmt.Errorf("network mode %s: %s", wanted, problem)
		}
		return wanted, nil, nil
	case "":
		if problem == "" {
			return AnyIP, nil, nil
		}
		return fallbackMode, []string{"service and node addresses are reached from this machine alone: " + problem}, nil
	}
	return "", nil, fmt.Errorf("unknown network mode %q (known: anyip, loopback, ports)", wanted)
}

// chooseRange picks a range: the explicit one or an error that names what it overlaps; else the one had before, grown to
// its size, else the first candidate that is free. Candidates are 10.96/16 to 10.111/16 for services, and 10.128/16 and on
// for pods (127.96 and 127.128 in loopback mode), those first that leave the most room to grow; for pods on a bridge
// 10.244/16 to 10.255/16, then 10.200/16 and on.
func chooseRange(kind, explicit string, before netip.Prefix, mode Mode, size int,
	used []usedRange) (netip.Prefix, error) {
	if explicit != "" {
		prefix, err := netip.ParsePrefix(explicit)
		switch {
		case err != nil:
			return prefix, fmt.Errorf("%s range %q: %w", kind, explicit, err)
		case !prefix.Addr().Is4() || prefix != prefix.Masked() || prefix.Bits() < 8 || prefix.Bits() > 22:
			return prefix, fmt.Errorf("%s range %s: must be an IPv4 network from /8 to /22, such as 10.96.0.0/16", kind, prefix)
		case prefix.Addr().IsLoopback() && mode == onBridge:
			return prefix, fmt.Errorf("%s range %s: containers cannot have addresses of 127.0.0.0/8", kind, prefix)
		case prefix.Addr().IsLoopback() != (mode == Loopback):
			return prefix, fmt.Errorf("%s range %s: mode %s and 127.0.0.0/8 go together, or neither", kind, prefix, mode)
		case kind == "pod" && prefix.Bits() > size:
			return prefix, fmt.Errorf("pod range %s: too small, the nodes need a /%d", prefix, size)
		}
		if u, ok := overlapping(prefix, used); ok {
			return prefix, fmt.Errorf("%s range %s overlaps %s, %s", kind, prefix, u.prefix, u.by)
		}
		return prefix, nil
	}
	candidates := candidateRanges(kind, mode, size)
	if before.IsValid() {
		grown := netip.PrefixFrom(before.Addr(), min(before.Bits(), size))
		if grown == grown.Masked() {
			candidates = append([]netip.Prefix{grown}, candidates...)
		}
	}
	var tried []string
	for _, prefix := range candidates {
		u, ok := overlapping(prefix, used)
		if !ok {
			return prefix, nil
		}
		if len(tried) < 3 {
			tried = append(tried, fmt.Sprintf("%s overlaps %s, %s", prefix, u.prefix, u.by))
		}
	}
	return netip.Prefix{}, fmt.Errorf("none of %d %s ranges is free: %s", len(candidates), kind, strings.Join(tried, "; "))
}

func candidateRanges(kind string, mode Mode, size int) []netip.Prefix {
	first := byte(10)
	if mode == Loopback {
		first = 127
	}
	var out []netip.Prefix
	if kind == "service" {
		for second := byte(96); second < 112; second++ {
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{first, second}), 16))
		}
		return out
	}
	if mode == onBridge {
		for i := range 56 {
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + (44+i)%56)}), size)
			if prefix == prefix.Masked() {
				out = append(out, prefix)
			}
		}
		return out
	}
	for i := range 128 { // in bit-reversed order: 128, 192, 160, 224, …
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{first, 128 + bits.Reverse8(byte(i))>>1}), size)
		if prefix == prefix.Masked() {
			out = append(out, prefix)
		}
	}
	return out
}

func overlapping(prefix netip.Prefix, used []usedRange) (usedRange, bool) {
	for _, u := range used {
		if u.prefix.Overlaps(prefix) {
			return u, true
		}
	}
	return usedRange{}, false
}

// podBits is the size of a range with a /24 for each of nodes 1 to n, from /16 to /9; one that somebody chose may be as
// small as a /22.
func podBits(n int, chosen bool) int {
	if chosen && n <= 255 {
		return 22
	}
	return max(9, min(16, 24-bits.Len(uint(n))))
}

func serviceParts(service netip.Prefix) (pool netip.Prefix, api, dns netip.Addr) {
	end := 1<<(32-service.Bits()) - 256
	return netip.PrefixFrom(offset(service.Addr(), end), 24), offset(service.Addr(), 1), offset(service.Addr(), 10)
}

// offset is the address n after an IPv4 address.
func offset(a netip.Addr, n int) netip.Addr {
	four := a.As4()
	binary.BigEndian.PutUint32(four[:], binary.BigEndian.Uint32(four[:])+uint32(n))
	return netip.AddrFrom4(four)
}
