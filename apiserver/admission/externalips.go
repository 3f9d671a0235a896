package admission

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/apiserver/resources/core"
)

// externalIPs warns of externalIPs that nobody listens on: those that the administrator has not allowed. Upstream listens on
// every one, or refuses new ones altogether (DenyServiceExternalIPs, which came with CVE-2020-8554): here the object is
// taken, as Helm charts have it, and the address is not.
type externalIPs struct{ allowed []netip.Prefix }

func (e externalIPs) validate(_ context.Context, r *Request) error {
	if r.Verb == "delete" || r.Subresource != "" || r.Row.Kind.Group != "" || r.Row.Plural != "services" || r.Warn == nil {
		return nil
	}
	service := r.Object.(*corev1.Service)
	if refused := e.refused(service.Spec.ExternalIPs); len(refused) > 0 && core.HasExternalIPs(service) {
		r.Warn(fmt.Sprintf("spec.externalIPs: nobody listens on %s, as this cluster is not allowed to (--external-ips of minik up)",
			strings.Join(refused, ", ")))
	}
	return nil
}

// refused are the addresses that are not allowed.
func (e externalIPs) refused(ips []string) (out []string) {
	for _, ip := range ips {
		addr, err := netip.ParseAddr(ip)
		if err == nil && !slices.ContainsFunc(e.allowed, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) }) {
			out = append(out, ip)
		}
	}
	return out
}
