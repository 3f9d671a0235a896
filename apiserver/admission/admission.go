package admission

import (
	"context"
	"math/rand/v2"
	"net/netip"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
)

// Request is one write on its way in.
type Request struct {
	Row         *resources.Resource
	Verb        string // create, update or delete
	Subresource string
	Namespace   string
	Name        string
	// Object is what is to be written; a plugin may change it. Nil for a deletion.
	Object resources.Object
	// Old is what is there; nil for a creation.
	Old  resources.Object
	User auth.User
	// Warn answers with a Warning header besides; nil where the client was told already.
	Warn func(text string)
}

// creates reports whether the request makes an object of the resource.
func (r *Request) creates(plural string) bool {
	return r.Verb == "create" && r.Subresource == "" && r.Row.Kind.Group == "" && r.Row.Plural == plural
}

// Reader is what plugins may know of the other objects.
type Reader interface {
	// Get finds an object; false where there is none. It may be behind: see Fresh.
	Get(group, plural, namespace, name string) (resources.Object, bool)
	// Each calls f for every object of a kind of the given group in all namespaces.
	Each(group, plural string, f func(resources.Object))
	// Fresh returns when Get sees every write that was acknowledged before the call.
	Fresh(ctx context.Context) error
	// Wait calls done after each change of the resource until it returns true or a second has passed.
	Wait(ctx context.Context, plural string, done func() bool)
}

// Plugin is one link of the chain.
type Plugin struct {
	Name  string
	Admit func(ctx context.Context, r *Request) error
}

// Options of the chain.
type Options struct {
	Reader Reader
	// Services are the addresses for cluster IPs; Reserved lies among them and is kept for load balancers.
	Services netip.Prefix
	Reserved netip.Prefix
	// ExternalIPs are the addresses that a Service's externalIPs may name.
	ExternalIPs []netip.Prefix
	// Random draws addresses and ports.
	Random *rand.Rand
}

// Chain is the plugins in their order.
func Chain(o Options) []Plugin {
	return []Plugin{
		{"NamespaceLifecycle", namespaceLifecycle{o.Reader}.admit},
		{"ServiceAccount", serviceAccount{o.Reader}.admit},
		{"DefaultTolerationSeconds", admitDefaultTolerationSeconds},
		{"Priority", priority{o.Reader}.admit},
		{"DefaultStorageClass", defaultStorageClass{o.Reader}.admit},
		{"PersistentVolumeClaimResize", claimResize{o.Reader}.admit},
		{"CertificateSubjectRestriction", admitCertificateSubject},
		{"ServiceExternalIPs", externalIPs{o.ExternalIPs}.admit},
		{"ServiceAddresses", newServiceAddresses(o).admit},
	}
}
