package discovery

import (
	"crypto/sha256"
	"encoding/base64"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The old form: a document for each level of the path.

// apiVersions is the document at /api: the versions of the core group. The list of server addresses stays empty, which
// tells clients to go on using the address that they came by.
func apiVersions(core catalog) *metav1.APIVersions {
	out := &metav1.APIVersions{
		TypeMeta:                   metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"},
		Versions:                   []string{},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
	}
	for _, g := range core {
		for _, v := range g.versions {
			out.Versions = append(out.Versions, v.Version)
		}
	}
	return out
}

// apiGroupList is the document at /apis: the named groups, each with its versions.
func apiGroupList(named catalog) *metav1.APIGroupList {
	out := &metav1.APIGroupList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"},
		Groups:   []metav1.APIGroup{},
	}
	for _, g := range named {
		entry := apiGroup(g)
		entry.TypeMeta = metav1.TypeMeta{}
		out.Groups = append(out.Groups, *entry)
	}
	return out
}

// apiGroup is the document at /apis/<group>.
func apiGroup(g group) *metav1.APIGroup {
	out := &metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: g.name}
	for _, v := range g.versions {
		out.Versions = append(out.Versions, metav1.GroupVersionForDiscovery{
			GroupVersion: v.String(), Version: v.Version,
		})
	}
	out.PreferredVersion = out.Versions[0]
	return out
}

// apiResourceList is the document at /api/v1 and /apis/<group>/<version>: its resources, and after each resource the
// subresources below it.
func apiResourceList(v groupVersion) *metav1.APIResourceList {
	out := &metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: v.String(),
		APIResources: []metav1.APIResource{},
	}
	for _, k := range v.kinds {
		hash := ""
		if k.Stored() {
			hash = storageVersionHash(k.Resource.Kind)
		}
		out.APIResources = append(out.APIResources, metav1.APIResource{
			Name:               k.Plural,
			SingularName:       k.Singular(),
			Namespaced:         !k.ClusterScoped,
			Kind:               k.kind.Kind,
			Verbs:              k.ServedVerbs(),
			ShortNames:         k.ShortNames,
			Categories:         k.Categories,
			StorageVersionHash: hash,
		})
		for _, s := range k.Subresources {
			body := relativeTo(v.GroupVersion, k.bodyOf(s))
			out.APIResources = append(out.APIResources, metav1.APIResource{
				Name:       k.Plural + "/" + s.Name,
				Namespaced: !k.ClusterScoped,
				Group:      body.Group,
				Version:    body.Version,
				Kind:       body.Kind,
				Verbs:      s.Verbs,
			})
		}
	}
	return out
}

// storageVersionHash tells clients whether an object has to be written again because the version that is stored
// changed. It is upstream's: the first 8 bytes of a SHA-256 of "group/version/kind".
func storageVersionHash(stored schema.GroupVersionKind) string {
	sum := sha256.Sum256([]byte(stored.Group + "/" + stored.Version + "/" + stored.Kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// relativeTo leaves out the group and version where they are those of the enclosing document, as upstream does.
func relativeTo(gv schema.GroupVersion, kind schema.GroupVersionKind) schema.GroupVersionKind {
	if kind.GroupVersion() == gv {
		return schema.GroupVersionKind{Kind: kind.Kind}
	}
	return kind
}

// aggregated is the new form: everything below one root in one document. Version v2beta1 has the same fields as v2, in
// JSON and in protobuf, so the one Go type serves both.
func aggregated(groups catalog, version string) *apidiscoveryv2.APIGroupDiscoveryList {
	out := &apidiscoveryv2.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{
			Kind: "APIGroupDiscoveryList", APIVersion: apidiscoveryv2.GroupName + "/" + version,
		},
		Items: []apidiscoveryv2.APIGroupDiscovery{},
	}
	for _, g := range groups {
		item := apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: g.name}}
		for _, v := range g.versions {
			item.Versions = append(item.Versions, apidiscoveryv2.APIVersionDiscovery{
				Version:   v.Version,
				Resources: resourceDiscoveries(v),
				Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent,
			})
		}
		out.Items = append(out.Items, item)
	}
	return out
}

func resourceDiscoveries(v groupVersion) []apidiscoveryv2.APIResourceDiscovery {
	var out []apidiscoveryv2.APIResourceDiscovery
	for _, k := range v.kinds {
		entry := apidiscoveryv2.APIResourceDiscovery{
			Resource:         k.Plural,
			ResponseKind:     responseKind(v.GroupVersion, k.kind),
			Scope:            apidiscoveryv2.ScopeNamespace,
			SingularResource: k.Singular(),
			Verbs:            k.ServedVerbs(),
			ShortNames:       k.ShortNames,
			Categories:       k.Categories,
		}
		if k.ClusterScoped {
			entry.Scope = apidiscoveryv2.ScopeCluster
		}
		for _, s := range k.Subresources {
			entry.Subresources = append(entry.Subresources, apidiscoveryv2.APISubresourceDiscovery{
				Subresource:  s.Name,
				ResponseKind: responseKind(v.GroupVersion, k.bodyOf(s)),
				Verbs:        s.Verbs,
			})
		}
		out = append(out, entry)
	}
	return out
}

func responseKind(gv schema.GroupVersion, kind schema.GroupVersionKind) *metav1.GroupVersionKind {
	k := metav1.GroupVersionKind(relativeTo(gv, kind))
	return &k
}
