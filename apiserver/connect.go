package apiserver

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"minik.dev/apiserver/passthrough"
	"minik.dev/apiserver/resources"
)

// connect has the request answered by somebody else: the kubelet of a pod's node, or what an object serves.
func (s *Server) connect(r *request) error {
	call := &passthrough.Call{Request: r.Request, W: r.w, Name: r.name, Fail: func(err error) { s.fail(r, err) }}
	if r.sub.Way == resources.Proxies {
		return s.proxy(r, call)
	}
	entry, err := s.find(r, true)
	if err != nil {
		return err
	}
	pod := entry.Object.(*corev1.Pod)
	if r.sub.Way == resources.Streams {
		return s.passthrough.Connect(call, pod, r.sub.Name)
	}
	if _, err := passthrough.LogContainer(pod, r.URL.Query().Get("container")); err != nil {
		return err
	}
	if mistakes := passthrough.LogMistakes(r.URL.Query()); len(mistakes) > 0 {
		return invalidObject(corev1.SchemeGroupVersion.WithKind("PodLogOptions").GroupKind(), pod.Name, mistakes, false)
	}
	return s.passthrough.Log(call, pod)
}

// proxy passes the request on to what the addressed pod, service or node serves. The path names it as [scheme:]name[:port].
func (s *Server) proxy(r *request, call *passthrough.Call) error {
	scheme, name, port, ok := utilnet.SplitSchemeNamePort(r.name)
	if !ok {
		return apierrors.NewBadRequest(fmt.Sprintf("invalid %s request %q", strings.TrimSuffix(r.resource, "s"), r.name))
	}
	r.name, call.Name = name, name
	entry, err := s.find(r, true)
	if err != nil {
		return err
	}
	return s.passthrough.Proxy(call, entry.Object, scheme, port, r.below())
}

// below is what the path says after the subresource, with its slash.
func (r *request) below() string {
	segments := 7 // "", api, v1, nodes, NAME, proxy, and the rest
	if r.namespace != "" {
		segments += 2
	}
	parts := strings.SplitN(r.URL.EscapedPath(), "/", segments)
	if len(parts) < segments {
		return ""
	}
	return "/" + parts[segments-1]
}
