package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// ttl is how long an answer may be kept, in seconds: CoreDNS's for the names of Kubernetes.
const ttl = 5

// longestChain bounds how many aliases are followed.
const longestChain = 8

// verdict is what the zone knows of a question.
type verdict struct {
	// mine says that the question is the zone's to answer; others are passed on.
	mine bool
	// code is NXDOMAIN where the name does not exist, and success where it does, with or without records of that type.
	code    int
	records []dns.RR
	extra   []dns.RR // the addresses of what SRV records name
	// alias is a name outside of the zone that the records end with: its addresses are asked for elsewhere.
	alias string
}

// answer looks the question up.
func (z *zone) answer(q dns.Question) verdict {
	host := strings.ToLower(q.Name)
	inside := host == z.domain || strings.HasSuffix(host, "."+z.domain)
	if n := z.names[host]; !inside && (n == nil || len(n.pointers) == 0) {
		return verdict{}
	}
	out := verdict{mine: true, code: dns.RcodeSuccess}
	if q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY {
		return out
	}
	for range longestChain {
		n := z.find(host)
		if n == nil {
			out.code = dns.RcodeNameError
			return out
		}
		if n.alias == "" {
			out.records = append(out.records, n.of(host, q.Qtype)...)
			if q.Qtype == dns.TypeSRV {
				out.extra = z.hosts(n)
			}
			return out
		}
		out.records = append(out.records, &dns.CNAME{Hdr: header(host, dns.TypeCNAME), Target: n.alias})
		if q.Qtype == dns.TypeCNAME {
			return out
		}
		host = strings.ToLower(n.alias)
		if !strings.HasSuffix(host, "."+z.domain) {
			out.alias = n.alias
			return out
		}
	}
	return verdict{mine: true, code: dns.RcodeServerFailure} // aliases that lead in a circle
}

// find is the name, or nil where it does not exist. The names of pods follow from their addresses.
func (z *zone) find(host string) *name {
	if n := z.names[host]; n != nil {
		return n
	}
	rest, ok := strings.CutSuffix(host, ".pod."+z.domain)
	if !ok {
		if namespace, isPods := strings.CutSuffix(host, "."+z.domain); isPods && namespace == "pod" {
			return &name{}
		}
		return nil
	}
	dashed, namespace, below := strings.Cut(rest, ".")
	if !below {
		if z.namespaces[dashed] {
			return &name{}
		}
		return nil
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(dashed, "-", "."))
	if err != nil {
		addr, err = netip.ParseAddr(strings.ReplaceAll(dashed, "-", ":"))
	}
	if err != nil || !z.namespaces[namespace] {
		return nil
	}
	return &name{addresses: []netip.Addr{addr}}
}

// of are the name's records of a type.
func (n *name) of(host string, kind uint16) []dns.RR {
	var out []dns.RR
	any := kind == dns.TypeANY
	for _, addr := range n.addresses {
		switch {
		case addr.Is4() && (any || kind == dns.TypeA):
			out = append(out, &dns.A{Hdr: header(host, dns.TypeA), A: addr.AsSlice()})
		case addr.Is6() && (any || kind == dns.TypeAAAA):
			out = append(out, &dns.AAAA{Hdr: header(host, dns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
	if any || kind == dns.TypeSRV {
		for _, t := range n.services {
			out = append(out, &dns.SRV{Hdr: header(host, dns.TypeSRV), Weight: 100 / uint16(max(1, min(100, len(n.services)))),
				Port: t.port, Target: t.host})
		}
	}
	if any || kind == dns.TypePTR {
		for _, p := range n.pointers {
			out = append(out, &dns.PTR{Hdr: header(host, dns.TypePTR), Ptr: p})
		}
	}
	if n.text != "" && (any || kind == dns.TypeTXT) {
		out = append(out, &dns.TXT{Hdr: header(host, dns.TypeTXT), Txt: []string{n.text}})
	}
	return out
}

// hosts are the addresses of what the SRV records name.
func (z *zone) hosts(n *name) []dns.RR {
	var out []dns.RR
	for _, t := range n.services {
		if at := z.names[t.host]; at != nil {
			out = append(out, at.of(t.host, dns.TypeA)...)
			out = append(out, at.of(t.host, dns.TypeAAAA)...)
		}
	}
	return out
}

// authority is the record that an answer without records has: who says that there are none, and for how long.
func (z *zone) authority() dns.RR {
	return &dns.SOA{Hdr: header(z.domain, dns.TypeSOA), Ns: "ns.dns." + z.domain, Mbox: "hostmaster." + z.domain,
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl}
}

func header(host string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: host, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}
