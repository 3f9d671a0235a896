// Package deletable asks discovery which resources there are that can be listed and deleted: the garbage collector watches
// them all, and the namespace controller empties a namespace of them.
//
// Real Kubernetes has such a function in each of the two.
package deletable

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// Kind is one kind that the API server serves, as its discovery describes it.
type Kind struct {
	Resource   schema.GroupVersionResource
	Kind       string
	Namespaced bool
	Verbs      []string
}

// Can reports whether the kind is served with the verb.
func (k Kind) Can(verb string) bool { return slices.Contains(k.Verbs, verb) }

// Kinds is everything that can be deleted.
type Kinds struct {
	// Resources holds each resource once, in the version that its group prefers.
	Resources []Kind
	// ByKind holds every served version: an owner may be named by any of them.
	ByKind map[schema.GroupVersionKind]Kind
}

// deletableKinds reads discovery. Subresources, and kinds that cannot be listed and deleted, are left out. A group version
// that cannot be parsed is an error, and the rest is still returned.
func deletableKinds(groups []*metav1.APIGroup, lists []*metav1.APIResourceList) (Kinds, error) {
	preferred := map[string]string{}
	for _, group := range groups {
		preferred[group.Name] = group.PreferredVersion.Version
	}
	out := Kinds{ByKind: map[schema.GroupVersionKind]Kind{}}
	at := map[schema.GroupResource]int{}
	var failure error
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			failure = fmt.Errorf("discovery names a group version %q: %w", list.GroupVersion, err)
			continue
		}
		for _, r := range list.APIResources {
			kind := Kind{Resource: version.WithResource(r.Name), Kind: r.Kind, Namespaced: r.Namespaced, Verbs: r.Verbs}
			if isSubresource(r.Name) || !kind.Can("delete") || !kind.Can("list") {
				continue
			}
			out.ByKind[version.WithKind(r.Kind)] = kind
			i, known := at[kind.Resource.GroupResource()]
			switch {
			case !known:
				at[kind.Resource.GroupResource()] = len(out.Resources)
				out.Resources = append(out.Resources, kind)
			case version.Version == preferred[version.Group]:
				out.Resources[i] = kind
			}
		}
	}
	return out, failure
}

func isSubresource(name string) bool { return slices.Contains([]byte(name), '/') }

// Discover asks the server. With an error it may still return kinds: those of the groups that answered.
func Discover(ctx context.Context, client discovery.DiscoveryInterface) (Kinds, error) {
	groups, lists, err := discovery.ServerGroupsAndResourcesWithContext(ctx, discovery.ToDiscoveryInterfaceWithContext(client))
	kinds, parsing := deletableKinds(groups, lists)
	switch {
	case err != nil:
		return kinds, DiscoveryError{Err: err}
	case parsing != nil:
		return kinds, parsing
	}
	return kinds, nil
}

// DiscoveryError tells groups that do not answer from group versions that cannot be parsed.
type DiscoveryError struct{ Err error }

// Error is what the server said.
func (e DiscoveryError) Error() string { return e.Err.Error() }

// Unwrap is the error of package discovery.
func (e DiscoveryError) Unwrap() error { return e.Err }
