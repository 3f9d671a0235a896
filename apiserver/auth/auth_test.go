package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAuthorize(t *testing.T) {
	admin := User{Name: "admin", Groups: []string{Masters, Authenticated}}
	anybody := User{Name: "jane", Groups: []string{Authenticated}}
	nobody := User{Name: Anonymous, Groups: []string{Unauthenticated}}
	for _, c := range []struct {
		what string
		a    Attributes
		want bool
	}{
		{"administrators may do everything", Attributes{User: admin, Verb: "delete", Resource: "nodes", Name: "node-1"}, true},
		{"and go everywhere", Attributes{User: admin, Verb: "get", Path: "/debug/pprof/"}, true},
		{"a node's name is not enough", Attributes{User: User{Name: "system:node:a"}, Verb: "get", Resource: "pods"}, false},
		{"everybody may ask for health", Attributes{User: nobody, Verb: "get", Path: "/readyz/etcd"}, true},
		{"but not post it", Attributes{User: nobody, Verb: "post", Path: "/readyz"}, false},
		{"nor read what begins alike", Attributes{User: nobody, Verb: "get", Path: "/healthzebra"}, false},
		{"who is known may ask for their rights", Attributes{User: anybody, Verb: "create",
			Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, true},
		{"not for those of others", Attributes{User: anybody, Verb: "create",
			Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}, false},
		{"who is unknown may not", Attributes{User: nobody, Verb: "create",
			Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}, false},
		{"a right to a resource is none to its parts", Attributes{User: anybody, Verb: "create",
			Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews", Subresource: "status"}, false},
	} {
		allowed, reason := Builtin{}.Authorize(c.a)
		require.Equal(t, c.want, allowed, "%s: %s", c.what, reason)
		require.NotEmpty(t, reason)
	}
}
