package fidelity

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
	api "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/registry/core/service/ipallocator"
	"k8s.io/kubernetes/pkg/registry/core/service/portallocator"
	servicestorage "k8s.io/kubernetes/pkg/registry/core/service/storage"

	"minik.dev/apiserver/admission"
	"minik.dev/apiserver/resources"
)

// Services are given their addresses and ports before they are validated, by upstream's storage and by minik's admission. Here both draw the
// same ones, of ranges in which nothing is taken but by the service itself.
var serviceRange = netip.MustParsePrefix("10.96.0.0/16")

// drawn is how far above the start of what is drawn from both begin: above what people write down.
const (
	drawn     = 1000
	firstPort = 30000
	lastPort  = 32767
	staticIPs = 256 // are drawn last
)

// drawnAddress is the first that both draw.
func drawnAddress() net.IP {
	base := serviceRange.Addr().As4()
	ip := make(net.IP, 4)
	binary.BigEndian.PutUint32(ip, binary.BigEndian.Uint32(base[:])+staticIPs+drawn)
	return ip
}

// addresses and ports are upstream's allocators, with all that they have to know: what one service has.
type addresses struct{ had map[string]bool }

func (a *addresses) Allocate(ip net.IP) error {
	addr, ok := netip.AddrFromSlice(ip)
	switch addr = addr.Unmap(); {
	case !ok || !serviceRange.Contains(addr) || addr == serviceRange.Addr() || addr == netip.MustParseAddr("10.96.255.255"):
		return ipallocator.ErrMismatchedNetwork // as the allocator of several ranges says it
	case a.had[addr.String()]:
		return ipallocator.ErrAllocated
	}
	a.had[addr.String()] = true
	return nil
}

func (a *addresses) AllocateNext() (net.IP, error) {
	ip := drawnAddress()
	return ip, a.Allocate(ip)
}
func (a *addresses) Release(ip net.IP) error { delete(a.had, ip.String()); return nil }
func (a *addresses) ForEach(func(net.IP))    {}
func (a *addresses) CIDR() net.IPNet {
	return net.IPNet{IP: serviceRange.Addr().AsSlice(), Mask: net.CIDRMask(serviceRange.Bits(), 32)}
}
func (a *addresses) IPFamily() api.IPFamily        { return api.IPv4Protocol }
func (a *addresses) Has(ip net.IP) bool            { return a.had[ip.String()] }
func (a *addresses) Destroy()                      {}
func (a *addresses) EnableMetrics()                {}
func (a *addresses) DryRun() ipallocator.Interface { return a }

type ports struct{ had map[int]bool }

func (p *ports) Allocate(port int) error {
	switch {
	case port < firstPort || port > lastPort:
		return &portallocator.ErrNotInRange{ValidPorts: "30000-32767"}
	case p.had[port]:
		return portallocator.ErrAllocated
	}
	p.had[port] = true
	return nil
}

func (p *ports) AllocateNext() (int, error) {
	for port := firstPort + drawn; port <= lastPort; port++ {
		if p.Allocate(port) == nil {
			return port, nil
		}
	}
	return 0, portallocator.ErrFull
}
func (p *ports) Release(port int) error { delete(p.had, port); return nil }
func (p *ports) ForEach(func(int))      {}
func (p *ports) Has(port int) bool      { return p.had[port] }
func (p *ports) Destroy()               {}
func (p *ports) EnableMetrics()         {}

// serviceStorage is upstream's, without anything stored.
var serviceStorage = sync.OnceValues(func() (*upstreamServices, error) {
	s := &upstreamServices{addresses: &addresses{}, ports: &ports{}}
	var err error
	s.rest, _, _, err = servicestorage.NewREST(nowhere, api.IPv4Protocol, map[api.IPFamily]ipallocator.Interface{api.IPv4Protocol: s.addresses},
		s.ports, nil, nil, nil)
	return s, err
})

type upstreamServices struct {
	rest      *servicestorage.REST
	addresses *addresses
	ports     *ports
}

// begin gives a service what upstream gives it before its strategy is asked; old is nil for a new one.
func (s *upstreamServices) begin(ctx context.Context, obj, old runtime.Object) error {
	s.addresses.had, s.ports.had = map[string]bool{}, map[int]bool{}
	if old == nil {
		_, err := s.rest.BeginCreate(ctx, obj, &metav1.CreateOptions{})
		return err
	}
	was := old.(*api.Service)
	for _, ip := range was.Spec.ClusterIPs {
		s.addresses.had[ip] = true
	}
	for _, port := range was.Spec.Ports {
		s.ports.had[int(port.NodePort)] = true
	}
	s.ports.had[int(was.Spec.HealthCheckNodePort)] = true
	_, err := s.rest.BeginUpdate(ctx, obj, old, &metav1.UpdateOptions{})
	return err
}

// nowhere are options of a storage that keeps nothing.
var nowhere = generic.RESTOptions{
	StorageConfig: &storagebackend.ConfigForResource{}, ResourcePrefix: "services",
	Decorator: func(*storagebackend.ConfigForResource, string, func(runtime.Object) (string, error), func() runtime.Object, func() runtime.Object,
		storage.AttrFunc, storage.IndexerFuncs, *cache.Indexers) (storage.Interface, factory.DestroyFunc, error) {
		return nil, func() {}, nil
	},
}

// allocate is what minik's admission gives a service.
func allocate(row *resources.Resource, obj, old resources.Object) error {
	chain := admission.NewChain(admission.Options{Reader: reader{old}, Services: serviceRange, IntN: func(n int) int { return min(drawn, n-1) }})
	verb := "create"
	if old != nil {
		verb = "update"
	}
	return chain.Allocate(context.Background(), &admission.Request{Row: row, Verb: verb, Object: obj, Old: old})
}

// reader knows of the old object alone.
type reader struct{ old resources.Object }

func (r reader) Get(string, string, string, string) (resources.Object, bool) {
	return r.old, r.old != nil
}
func (r reader) Fresh(context.Context) error               { return nil }
func (r reader) Wait(context.Context, string, func() bool) {}
func (r reader) Each(_, _ string, f func(resources.Object)) {
	if r.old != nil {
		f(r.old)
	}
}

// causes are the mistakes that a refusal names, and whether it is one that names any.
func causes(err error) (field.ErrorList, bool) {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Reason != metav1.StatusReasonInvalid || status.ErrStatus.Details == nil {
		return nil, false
	}
	var errs field.ErrorList
	for _, c := range status.ErrStatus.Details.Causes {
		errs = append(errs, &field.Error{Type: field.ErrorType(c.Type), Field: c.Field, Detail: c.Message, BadValue: field.OmitValueType{}})
	}
	return errs, true
}
