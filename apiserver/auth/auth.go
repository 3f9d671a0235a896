package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// The names that upstream gives to users and groups of its own.
const (
	Anonymous       = "system:anonymous"
	Unauthenticated = "system:unauthenticated"
	Authenticated   = "system:authenticated"
	Masters         = "system:masters"
	Nodes           = "system:nodes"
)

// User is who makes a request.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Attributes are what a request wants to do, in upstream's words.
type Attributes struct {
	User User
	Verb string
	// Resource is empty for a request that names no resource; then Path is what it asks for.
	Group, Resource, Subresource string
	Namespace, Name              string
	Path                         string
}

// ErrUnauthorized says that the client shows a credential by which nobody is known. Whoever shows none is anonymous.
var ErrUnauthorized = errors.New("the bearer token is nobody's")

// Authenticate says who the client is. A certificate counts before a token, as upstream.
func Authenticate(req *http.Request) (User, error) {
	if req.TLS != nil && len(req.TLS.VerifiedChains) > 0 {
		subject := req.TLS.VerifiedChains[0][0].Subject
		return User{Name: subject.CommonName, Groups: append(slices.Clone(subject.Organization), Authenticated)}, nil
	}
	if bearerToken(req.Header) != "" { // none is issued, so none is anybody's
		return User{}, ErrUnauthorized
	}
	return User{Name: Anonymous, Groups: []string{Unauthenticated}}, nil
}

// bearerToken is the token in the header, or empty. Other schemes are not for us, and no credential (upstream).
func bearerToken(header http.Header) string {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header.Get("Authorization")), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	token, _, _ := strings.Cut(rest, " ")
	return token
}

// Impersonate is who the request asks to be taken for; the user itself where it asks for nobody. Who may do so is for
// the caller to check ([MayImpersonate]).
func Impersonate(user User, header http.Header) (as User, asked bool, err error) {
	name := header.Get("Impersonate-User")
	groups := header.Values("Impersonate-Group")
	uid := header.Get("Impersonate-Uid")
	extra := map[string][]string{}
	for key, values := range header {
		if k, ok := strings.CutPrefix(key, "Impersonate-Extra-"); ok {
			if decoded, err := url.PathUnescape(strings.ToLower(k)); err == nil {
				k = decoded
			}
			extra[k] = values
		}
	}
	if name == "" {
		if len(groups) > 0 || uid != "" || len(extra) > 0 {
			return User{}, false, fmt.Errorf("requested %q without impersonating a user name", "groups, uid or extra")
		}
		return user, false, nil
	}
	if name != Anonymous && !slices.Contains(groups, Authenticated) {
		groups = append(slices.Clone(groups), Authenticated)
	}
	return User{Name: name, UID: uid, Groups: groups, Extra: extra}, true, nil
}

// MayImpersonate reports whether the user may speak as somebody else.
func MayImpersonate(user User) bool { return slices.Contains(user.Groups, Masters) }

// public are the paths that everybody may read.
var public = []string{"/healthz", "/livez", "/readyz", "/version"}

// components are minik's own parts, each with a certificate of its own.
var components = []string{"system:kube-scheduler", "system:kube-controller-manager", "system:kube-proxy", "system:kube-dns"}

// Component reports whether the user is a part of minik, or a node.
func Component(user User) bool {
	return slices.Contains(components, user.Name) ||
		slices.Contains(user.Groups, Nodes) && strings.HasPrefix(user.Name, "system:node:")
}

// Rule lets who has it do the verbs: to the resources of the groups, or to the paths. "*" stands for everything, and a path
// that ends in "*" for all that begins like it.
type Rule struct {
	Verbs, Groups, Resources, Paths []string
	// Why is the reason of the rule, in words.
	Why string
}

var (
	everything = Rule{Verbs: []string{"*"}, Groups: []string{"*"}, Resources: []string{"*"}}
	everywhere = Rule{Verbs: []string{"*"}, Paths: []string{"*"}}
	// aboutOneself is upstream's role system:basic-user.
	aboutOneself = []Rule{
		{
			Verbs: []string{"create"}, Groups: []string{"authorization.k8s.io"},
			Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, Why: "everybody may ask what they may do",
		},
		{
			Verbs: []string{"create"}, Groups: []string{"authentication.k8s.io"},
			Resources: []string{"selfsubjectreviews"}, Why: "everybody may ask who they are",
		},
	}
)

// Authorizer decides who may do what.
type Authorizer interface {
	// Authorize decides whether the request is let through, and why. The reason is for the log, and for the message of a
	// refusal.
	Authorize(a Attributes) (allowed bool, reason string)
	// Rules are all that the user has in the namespace.
	Rules(user User, namespace string) []Rule
}

// Reader is what an authorizer may know of the objects of the cluster, as they are now: roles and their bindings, and which pods
// a node runs.
type Reader interface {
	// Get finds an object; false where there is none.
	Get(group, plural, namespace, name string) (runtime.Object, bool)
	// Each calls f for every object of the kind in the namespace; "" is all of them.
	Each(group, plural, namespace string, f func(runtime.Object))
}

// Builtin is the authorizer that needs to know of no object: its rules are a table.
type Builtin struct{}

// Rules are the same in every namespace.
func (Builtin) Rules(user User, _ string) []Rule {
	all := func(why string) []Rule {
		resources, paths := everything, everywhere
		resources.Why, paths.Why = why, why
		return []Rule{resources, paths}
	}
	switch {
	case slices.Contains(user.Groups, Masters):
		return all("the group system:masters may do everything")
	case slices.Contains(components, user.Name):
		return all("a component of the control plane")
	case slices.Contains(user.Groups, Nodes) && strings.HasPrefix(user.Name, "system:node:"):
		return all("a node")
	}
	health := Rule{Verbs: []string{"get"}, Why: "everybody may ask for health and version"}
	for _, path := range public {
		health.Paths = append(health.Paths, path, path+"/*")
	}
	if slices.Contains(user.Groups, Authenticated) {
		return append(slices.Clone(aboutOneself), health)
	}
	return []Rule{health}
}

// Authorize looks for a rule that allows the request.
func (b Builtin) Authorize(a Attributes) (allowed bool, reason string) {
	for _, rule := range b.Rules(a.User, a.Namespace) {
		if rule.Allows(a) {
			return true, rule.Why
		}
	}
	if a.User.Name == Anonymous {
		return false, "anonymous users may read " + strings.Join(public, ", ") + " only"
	}
	return false, "no rule allows it: only system:masters and minik's own components have rights"
}

// Allows reports whether the rule lets the request through.
func (r Rule) Allows(a Attributes) bool {
	if !has(r.Verbs, a.Verb) {
		return false
	}
	if a.Resource == "" {
		return slices.ContainsFunc(r.Paths, func(path string) bool {
			begin, all := strings.CutSuffix(path, "*")
			return path == a.Path || all && strings.HasPrefix(a.Path, begin)
		})
	}
	resource := a.Resource
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return has(r.Groups, a.Group) && has(r.Resources, resource)
}

func has(list []string, value string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, value)
}
