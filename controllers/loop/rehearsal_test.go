package loop

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTargetOf(t *testing.T) {
	for path, want := range map[string]Intent{
		"/api/v1/nodes":                                        {Resource: "nodes"},
		"/api/v1/nodes/n/status":                               {Resource: "nodes", Name: "n", Subresource: "status"},
		"/api/v1/namespaces":                                   {Resource: "namespaces"},
		"/api/v1/namespaces/shop":                              {Resource: "namespaces", Name: "shop"},
		"/api/v1/namespaces/shop/finalize":                     {Resource: "namespaces", Name: "shop", Subresource: "finalize"},
		"/api/v1/namespaces/shop/pods":                         {Resource: "pods", Namespace: "shop"},
		"/apis/apps/v1/namespaces/shop/deployments/web/status": {Group: "apps", Resource: "deployments", Namespace: "shop", Name: "web", Subresource: "status"},
	} {
		got, ok := targetOf(path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
	for _, path := range []string{"/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version"} {
		_, ok := targetOf(path)
		require.False(t, ok, path)
	}
}
