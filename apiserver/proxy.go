package apiserver

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/proxy"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// proxy passes a request on to what the addressed pod, service or node serves over HTTP, upgrades included. The path names
// it as [scheme:]name[:port]. A redirect is passed on to the client, and never followed.
func (s *Server) proxy(r *request) error {
	scheme, name, port, ok := utilnet.SplitSchemeNamePort(r.name)
	if !ok {
		return apierrors.NewBadRequest(fmt.Sprintf("invalid %s request %q", strings.TrimSuffix(r.resource, "s"), r.name))
	}
	r.name = name
	entry, err := s.find(r, true)
	if err != nil {
		return err
	}
	location, transport, err := s.proxyTarget(entry, scheme, port)
	if err != nil {
		return err
	}
	if below := r.below(); below != "" { // passed on as it came, escapes and slashes included
		if location.Path, err = url.PathUnescape(below); err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("the path %q: %v", below, err))
		}
		location.RawPath = below
	}
	location.RawQuery = r.URL.RawQuery
	r.anonymize()
	w := &hijacked{ResponseWriter: r.w, stopping: s.stopping, ended: make(chan struct{})}
	defer close(w.ended)
	proxy.NewUpgradeAwareHandler(location, transport, true, false, refuser{s, r}).ServeHTTP(w, r.Request)
	return nil
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

// proxyTarget is where the object serves, and how it is spoken to. A node is its kubelet where no other port is named.
func (s *Server) proxyTarget(entry *store.Entry, scheme, port string) (*url.URL, http.RoundTripper, error) {
	var host string
	var err error
	what := TargetPod
	switch obj := entry.Object.(type) {
	case *corev1.Node:
		if port == "" || port == strconv.Itoa(int(obj.Status.DaemonEndpoints.KubeletEndpoint.Port)) {
			return s.kubeletTarget(obj.Name)
		}
		what = TargetNode
		host, err = nodeTarget(obj, port)
	case *corev1.Service:
		var slices []*discoveryv1.EndpointSlice
		reader{s}.Each(discoveryv1.GroupName, "endpointslices", func(o resources.Object) {
			slices = append(slices, o.(*discoveryv1.EndpointSlice))
		})
		host, err = serviceTarget(obj, slices, port, s.random, func(host string) error { return s.allowedHost(what, host) })
	case *corev1.Pod:
		host, err = podTarget(obj, port)
	default:
		err = fmt.Errorf("a %T serves nothing", obj)
	}
	if err == nil {
		err = s.allowedHost(what, host)
	}
	return &url.URL{Scheme: cmp.Or(scheme, "http"), Host: host}, s.pods, err
}

func (s *Server) kubeletTarget(node string) (*url.URL, http.RoundTripper, error) {
	base, err := s.kubeletURL(node)
	if err != nil {
		return nil, nil, err
	}
	location, err := url.Parse(base)
	return location, s.kubelet, err
}

// dialPod connects to where an address of the cluster is really listened on.
func (s *Server) dialPod(ctx context.Context, network, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the port of %s: %w", address, err)
	}
	return (&net.Dialer{}).DialContext(ctx, network, s.Address(host, int32(port)))
}
