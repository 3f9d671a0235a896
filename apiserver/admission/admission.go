package admission

import (
	"context"
	"net/netip"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
)

// Request is one write on its way in.
type Request struct {
	Row *resources.Resource
	// Kind is what the client speaks of, in its own version; Object and Old are of the row's.
	Kind        schema.GroupVersionKind
	Verb        string // create, update or delete
	Subresource string
	Namespace   string
	Name        string
	// Object is what is to be written; plugins that mutate may change it. Nil for a deletion.
	Object resources.Object
	// Old is what is there; nil for a creation, and while plugins mutate a deletion.
	Old  resources.Object
	User auth.User
	// Options are the request's CreateOptions, UpdateOptions, PatchOptions or DeleteOptions.
	Options runtime.Object
	// DryRun says that nothing will be written, so that a plugin may leave nothing behind either.
	DryRun bool
	// Warn answers with a Warning header besides; nil where the client was told already.
	Warn func(text string)
	// Note adds to what is logged of the request: a plugin's name and what it decided. Nil where that was noted already.
	Note func(key, value string)
}

// creates reports whether the request makes an object of the resource.
func (r *Request) creates(plural string) bool {
	return r.Verb == "create" && r.Subresource == "" && r.Row.Kind.Group == "" && r.Row.Plural == plural
}

// updates reports whether the request changes an object of the resource, and not by a subresource.
func (r *Request) updates(plural string) bool {
	return r.Verb == "update" && r.Subresource == "" && r.Row.Kind.Group == "" && r.Row.Plural == plural
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

// Plugin is one link of the chain. It does what it has a function for; most have one.
type Plugin struct {
	Name string
	// Mutate may change the object or refuse it. It runs on what the client wrote: fields that belong to the server are set
	// after it, so that it can't set them.
	Mutate func(ctx context.Context, r *Request) error
	// Allocate gives the object what is drawn from a range, an address for example. It runs when everything else is settled.
	Allocate func(ctx context.Context, r *Request) error
	// Validate may refuse the object, which is as it will be written. It changes nothing.
	Validate func(ctx context.Context, r *Request) error
}

// Options of the chain.
type Options struct {
	Reader Reader
	// Services are the addresses for cluster IPs; Reserved lies among them and is kept for load balancers.
	Services netip.Prefix
	Reserved netip.Prefix
	// ExternalIPs are the addresses that a Service's externalIPs may name.
	ExternalIPs []netip.Prefix
	// IntN draws a number below n, of which addresses and ports are made.
	IntN func(n int) int
}

// Chain is the plugins in their order.
type Chain []Plugin

// NewChain makes the chain.
func NewChain(o Options) Chain {
	return Chain{
		{Name: "NamespaceLifecycle", Mutate: namespaceLifecycle{o.Reader}.mutate},
		{Name: "ServiceAccount", Mutate: serviceAccount{o.Reader}.mutate},
		{Name: "DefaultTolerationSeconds", Mutate: mutateTolerationSeconds},
		{Name: "Priority", Mutate: priority{o.Reader}.mutate},
		{Name: "DefaultStorageClass", Mutate: defaultStorageClass{o.Reader}.mutate},
		{Name: "RuntimeClass", Mutate: runtimeClass{o.Reader}.mutate, Validate: runtimeClass{o.Reader}.validate},
		{Name: "ServiceAddresses", Allocate: serviceAddresses{o}.allocate},
		{Name: "PersistentVolumeClaimResize", Validate: claimResize{o.Reader}.validate},
		{Name: "DeviceAdminAccess", Validate: deviceAdminAccess{o.Reader}.validate},
		{Name: "CertificateSubjectRestriction", Validate: validateCertificateSubject},
		{Name: "ServiceExternalIPs", Validate: externalIPs{o.ExternalIPs}.validate},
	}
}

// Mutate runs the first phase. It ends at the first plugin that refuses the request, as the others do.
func (c Chain) Mutate(ctx context.Context, r *Request) error {
	return c.each(ctx, r, func(p Plugin) func(context.Context, *Request) error { return p.Mutate })
}

// Allocate gives the object what is drawn for it, between the two phases.
func (c Chain) Allocate(ctx context.Context, r *Request) error {
	return c.each(ctx, r, func(p Plugin) func(context.Context, *Request) error { return p.Allocate })
}

// Validate runs the second phase.
func (c Chain) Validate(ctx context.Context, r *Request) error {
	return c.each(ctx, r, func(p Plugin) func(context.Context, *Request) error { return p.Validate })
}

func (c Chain) each(ctx context.Context, r *Request, phase func(Plugin) func(context.Context, *Request) error) error {
	for _, p := range c {
		if ask := phase(p); ask != nil {
			if err := ask(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}
