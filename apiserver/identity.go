package apiserver

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"minik.dev/apiserver/auth"
	"minik.dev/journal"
)

// authenticate says who makes the request, and what it says of its cause.
func (s *Server) authenticate(r *request) (func(), error) {
	user, err := auth.Authenticate(r.Request)
	if err != nil {
		return nil, apierrors.NewUnauthorized("Unauthorized") // no word of what was wrong, as upstream
	}
	as, asked, err := auth.Impersonate(user, r.Header)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if asked && !auth.MayImpersonate(user) {
		return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "users"}, as.Name,
			fmt.Errorf("User %q cannot impersonate resource \"users\" in API group \"\" at the cluster scope", user.Name))
	}
	r.user = as
	r.cause, r.reason, err = journal.FromRequest(r.Header)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return nil, nil
}

// authorized is authorize as a step. A connection by which somebody may do something is no stranger's.
func (s *Server) authorized(r *request) (func(), error) {
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if r.user.Name != auth.Anonymous {
		s.connections.identified(connectionOf(r.Context()))
	}
	return nil, nil
}

// authorize lets the request through or refuses it in upstream's words.
func (s *Server) authorize(r *request) error {
	allowed, _ := s.authorizer.Authorize(auth.Attributes{
		User: r.user, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.subresource,
		Namespace: r.namespace, Name: r.name, Path: r.URL.Path,
	})
	if allowed {
		return nil
	}
	if r.resource == "" {
		e := apierrors.NewForbidden(schema.GroupResource{}, "", nil)
		e.ErrStatus.Message = fmt.Sprintf("forbidden: User %q cannot %s path %q", r.user.Name, r.verb, r.URL.Path)
		return e
	}
	resource := r.resource
	if r.subresource != "" {
		resource += "/" + r.subresource
	}
	scope, namespace := "at the cluster scope", r.namespace
	if r.group == "" && r.resource == "namespaces" {
		namespace = r.name // upstream takes a namespace to be in itself
	}
	if namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", namespace)
	}
	return apierrors.NewForbidden(schema.GroupResource{Group: r.group, Resource: r.resource}, r.name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", r.user.Name, r.verb, resource, r.group, scope))
}
