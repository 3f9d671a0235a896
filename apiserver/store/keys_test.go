package store

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/builtin"
)

// Upstream's keys: built-in kinds have no group in theirs, custom kinds do.
func TestKeys(t *testing.T) {
	custom := &resources.Resource{Kind: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Service"}, Plural: "services", Custom: true}
	gateway := &resources.Resource{Kind: schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, Plural: "ingresses", Custom: true}
	for _, c := range []struct {
		row             *resources.Resource
		namespace, name string
		key             string
	}{
		{rowOf("pods"), "shop", "web", "/registry/pods/shop/web"},
		{rowOf("nodes"), "", "node-1", "/registry/nodes/node-1"},
		{rowOf("deployments"), "shop", "web", "/registry/deployments/shop/web"},
		{rowOf("endpointslices"), "shop", "web", "/registry/endpointslices/shop/web"},
		{rowOf("leases"), "kube-node-lease", "node-1", "/registry/leases/kube-node-lease/node-1"},
		{rowOf("controls"), "", "kubelet.node-1", "/registry/minik.dev/controls/kubelet.node-1"},
		{custom, "shop", "web", "/registry/example.com/services/shop/web"},
		{gateway, "shop", "web", "/registry/networking.k8s.io/ingresses/shop/web"}, // not with Kubernetes' own
	} {
		key := Key(c.row, c.namespace, c.name)
		require.Equal(t, c.key, key)
		found, ok := prefixOf(key)
		require.True(t, ok)
		require.Equal(t, prefix(c.row), found)
		require.Equal(t, prefix(c.row), Range(c.row, ""))
	}
	for _, key := range []string{"/minik/journal/a/1", "/registry/pods", "/registry/example.com/things", "/elsewhere", ""} {
		_, ok := prefixOf(key)
		require.False(t, ok, key)
	}
}

// No two rows share keys.
func TestPrefixesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range builtin.All() {
		require.False(t, seen[prefix(row)], prefix(row))
		seen[prefix(row)] = true
	}
}
