package controllers

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// servedKind is one kind that the API server serves, as its discovery describes it.
type servedKind struct {
	Resource   schema.GroupVersionResource
	Kind       string
	Namespaced bool
	Verbs      []string
}

func (k servedKind) can(verb string) bool { return slices.Contains(k.Verbs, verb) }

// servedKinds is everything that can be deleted.
type servedKinds struct {
	// Resources holds each resource once, in the version that its group prefers.
	Resources []servedKind
	// ByKind holds every served version: an owner may be named by any of them.
	ByKind map[schema.GroupVersionKind]servedKind
}

// deletableKinds reads discovery. Subresources, and kinds that cannot be listed and deleted, are left out. A group version
// that cannot be parsed is an error, and the rest is still returned.
func deletableKinds(groups []*metav1.APIGroup, lists []*metav1.APIResourceList) (servedKinds, error) {
	preferred := map[string]string{}
	for _, group := range groups {
		preferred[group.Name] = group.PreferredVersion.Version
	}
	out := servedKinds{ByKind: map[schema.GroupVersionKind]servedKind{}}
	at := map[schema.GroupResource]int{}
	var failure error
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			failure = fmt.Errorf("discovery names a group version %q: %w", list.GroupVersion, err)
			continue
		}
		for _, r := range list.APIResources {
			kind := servedKind{Resource: version.WithResource(r.Name), Kind: r.Kind, Namespaced: r.Namespaced, Verbs: r.Verbs}
			if isSubresource(r.Name) || !kind.can("delete") || !kind.can("list") {
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

// discoverDeletable asks the server. With an error it may still return kinds: those of the groups that answered.
func discoverDeletable(ctx context.Context, client discovery.DiscoveryInterface) (servedKinds, error) {
	groups, lists, err := discovery.ServerGroupsAndResourcesWithContext(ctx, discovery.ToDiscoveryInterfaceWithContext(client))
	kinds, parsing := deletableKinds(groups, lists)
	switch {
	case err != nil:
		return kinds, discoveryError{err: err}
	case parsing != nil:
		return kinds, parsing
	}
	return kinds, nil
}

// discoveryError tells groups that do not answer from group versions that cannot be parsed.
type discoveryError struct{ err error }

func (e discoveryError) Error() string { return e.err.Error() }
func (e discoveryError) Unwrap() error { return e.err }
