package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// version is that of the specification, which dns-version tells.
const version = "1.1.0"

// zone is every name of the cluster's domain, and of the addresses that belong to names. It never changes.
type zone struct {
	domain string // with a dot at its end
	names  map[string]*name
	// namespaces are those that have a Service: pods' names exist there.
	namespaces map[string]bool
}

// name is what there is of one name. One without records exists all the same: it has names below it.
type name struct {
	addresses []netip.Addr
	services  []target
	alias     string // of an ExternalName
	text      string
	pointers  []string // whose address it is
}

// target is one SRV record.
type target struct {
	port uint16
	host string
}

// newZone makes the zone of these objects.
func newZone(domain string, services []*corev1.Service, slices []*discoveryv1.EndpointSlice) *zone {
	z := &zone{domain: dns.Fqdn(strings.ToLower(domain)), names: map[string]*name{}, namespaces: map[string]bool{}}
	z.at("dns-version." + z.domain).text = version
	behind := map[string][]*discoveryv1.EndpointSlice{}
	for _, s := range slices {
		key := s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
		behind[key] = append(behind[key], s)
	}
	for _, s := range services {
		z.namespaces[s.Namespace] = true
		host := fmt.Sprintf("%s.%s.svc.%s", s.Name, s.Namespace, z.domain)
		switch {
		case s.Spec.Type == corev1.ServiceTypeExternalName:
			z.at(host).alias = dns.Fqdn(s.Spec.ExternalName)
		case s.Spec.ClusterIP == corev1.ClusterIPNone:
			z.at(host)
			for _, slice := range behind[s.Namespace+"/"+s.Name] {
				z.addHeadless(host, slice)
			}
		default:
			z.addService(host, s)
		}
	}
	for _, n := range z.names {
		n.sort()
	}
	return z
}

// at is the name, made with everything above it where it is new.
func (z *zone) at(host string) *name {
	host = strings.ToLower(host)
	if n := z.names[host]; n != nil {
		return n
	}
	n := &name{}
	z.names[host] = n
	if host != z.domain {
		if _, parent, ok := strings.Cut(host, "."); ok && (parent == z.domain || strings.HasSuffix(parent, "."+z.domain)) {
			z.at(parent)
		}
	}
	return n
}

// addService adds the addresses of a Service that has some, and its named ports.
func (z *zone) addService(host string, s *corev1.Service) {
	n := z.at(host)
	ips := s.Spec.ClusterIPs
	if len(ips) == 0 {
		ips = []string{s.Spec.ClusterIP}
	}
	for _, ip := range ips {
		if addr, err := netip.ParseAddr(ip); err == nil {
			n.addresses = append(n.addresses, addr)
			z.point(addr, host)
		}
	}
	for _, p := range s.Spec.Ports {
		if p.Name != "" {
			port := z.at(portName(p.Name, p.Protocol, host))
			port.services = append(port.services, target{uint16(p.Port), host})
		}
	}
}

// addHeadless adds the endpoints of a headless Service: together under its name, and each under its own.
func (z *zone) addHeadless(host string, slice *discoveryv1.EndpointSlice) {
	for _, e := range slice.Endpoints {
		if e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		for _, text := range e.Addresses {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				continue
			}
			own := strings.NewReplacer(".", "-", ":", "-").Replace(text) + "." + host
			if e.Hostname != nil && *e.Hostname != "" {
				own = *e.Hostname + "." + host
			}
			all, one := z.at(host), z.at(own)
			all.addresses = append(all.addresses, addr)
			one.addresses = append(one.addresses, addr)
			z.point(addr, own)
			for _, p := range slice.Ports {
				if p.Name == nil || *p.Name == "" || p.Port == nil {
					continue
				}
				protocol := corev1.ProtocolTCP
				if p.Protocol != nil {
					protocol = *p.Protocol
				}
				port := z.at(portName(*p.Name, protocol, host))
				port.services = append(port.services, target{uint16(*p.Port), strings.ToLower(own)})
			}
		}
	}
}

func portName(port string, protocol corev1.Protocol, host string) string {
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	return "_" + port + "._" + strings.ToLower(string(protocol)) + "." + host
}

// point makes the address lead back to the name.
func (z *zone) point(addr netip.Addr, host string) {
	reverse, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return
	}
	if z.names[reverse] == nil {
		z.names[reverse] = &name{}
	}
	z.names[reverse].pointers = append(z.names[reverse].pointers, strings.ToLower(host))
}

// sort puts records in one order, each once: objects come in none.
func (n *name) sort() {
	slices.SortFunc(n.addresses, netip.Addr.Compare)
	n.addresses = slices.Compact(n.addresses)
	slices.SortFunc(n.services, func(a, b target) int {
		if a.host != b.host {
			return strings.Compare(a.host, b.host)
		}
		return int(a.port) - int(b.port)
	})
	n.services = slices.Compact(n.services)
	slices.Sort(n.pointers)
	n.pointers = slices.Compact(n.pointers)
}
