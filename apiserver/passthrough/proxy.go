package passthrough

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/proxy"

	"minik.dev/apiserver/resources"
)

// Proxy passes a request on to what the pod, service or node serves over HTTP, upgrades included. Scheme and port may be empty;
// below is what the path says after the subresource, as it came, escapes and slashes included. A redirect is passed on to the
// client, and never followed.
func (p *Passthrough) Proxy(c *Call, obj resources.Object, scheme, port, below string) error {
	location, transport, err := p.target(obj, scheme, port)
	if err != nil {
		return err
	}
	if below != "" {
		if location.Path, err = url.PathUnescape(below); err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("the path %q: %v", below, err))
		}
		location.RawPath = below
	}
	location.RawQuery = c.URL.RawQuery
	c.anonymize()
	w, done := Takeover(c.W, p.Stopping)
	defer done()
	proxy.NewUpgradeAwareHandler(location, transport, true, false, c).ServeHTTP(w, c.Request)
	return nil
}

// target is where the object serves, and how it is spoken to. A node is its kubelet where no other port is named.
func (p *Passthrough) target(obj resources.Object, scheme, port string) (*url.URL, http.RoundTripper, error) {
	var host string
	var err error
	what := TargetPod
	switch obj := obj.(type) {
	case *corev1.Node:
		if port == "" || port == strconv.Itoa(int(obj.Status.DaemonEndpoints.KubeletEndpoint.Port)) {
			return p.kubeletTarget(obj.Name)
		}
		what = TargetNode
		host, err = nodeTarget(obj, port)
	case *corev1.Service:
		var slices []*discoveryv1.EndpointSlice
		p.Reader.Each(discoveryv1.GroupName, "endpointslices", func(o resources.Object) {
			slices = append(slices, o.(*discoveryv1.EndpointSlice))
		})
		host, err = serviceTarget(obj, slices, port, p.Random, func(host string) error { return p.allowedHost(what, host) })
	case *corev1.Pod:
		host, err = podTarget(obj, port)
	default:
		err = fmt.Errorf("a %T serves nothing", obj)
	}
	if err == nil {
		err = p.allowedHost(what, host)
	}
	return &url.URL{Scheme: cmp.Or(scheme, "http"), Host: host}, p.pods, err
}

func (p *Passthrough) kubeletTarget(node string) (*url.URL, http.RoundTripper, error) {
	base, err := p.kubeletURL(node)
	if err != nil {
		return nil, nil, err
	}
	location, err := url.Parse(base)
	return location, p.kubelets, err
}
