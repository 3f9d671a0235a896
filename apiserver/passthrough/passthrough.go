package passthrough

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
)

// Options of the way to others.
type Options struct {
	// Reader finds the node of a pod and the endpoints of a service.
	Reader Reader
	// Kubelet is the client side of the connections to kubelets.
	Kubelet *tls.Config
	// Refuse says why an address is not connected to, "" where it is. It gets what somebody has written into an object, which may
	// be anything. Nil refuses all.
	Refuse func(what Target, ip string, port int32) (why string)
	// Dial connects to an address of the cluster, and is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Random is a number below n.
	Random func(n int) int
	// Stopping is closed when the server stops: connections that were taken over end then.
	Stopping <-chan struct{}
	Logger   *slog.Logger
}

// Reader is what has to be known of the objects.
type Reader interface {
	Get(group, plural, namespace, name string) (resources.Object, bool)
	Each(group, plural string, f func(resources.Object))
}

// Passthrough passes requests on.
type Passthrough struct {
	Options
	kubelets http.RoundTripper
	pods     http.RoundTripper // to what pods serve
}

// New makes the way. It connects to nobody yet.
func New(o Options) *Passthrough {
	p := &Passthrough{Options: o}
	p.kubelets = &http.Transport{
		DialContext:         o.Dial,
		TLSClientConfig:     o.Kubelet,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
	}
	p.pods = &http.Transport{
		DialContext:         o.Dial,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // a pod's certificate is nobody's to check, as upstream
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
	}
	return p
}

// Call is one request that is passed on.
type Call struct {
	*http.Request
	W http.ResponseWriter
	// Name is the object's, for messages.
	Name string
	// Fail answers with the error where the answer is not the caller's any more.
	Fail func(error)
}

// anonymize removes what says who the client is. That has been decided, and is no business of whoever is asked next.
func (c *Call) anonymize() {
	for name := range c.Header {
		if name == "Authorization" || strings.HasPrefix(name, "Impersonate-") {
			c.Header.Del(name)
		}
	}
}

// Error is proxy.ErrorResponder's.
func (c *Call) Error(_ http.ResponseWriter, _ *http.Request, err error) {
	c.Fail(unreachable("asking what %s serves: %w", c.Name, err))
}

// kubeletURL is where the node's kubelet listens, if what the node says is an address to connect to.
func (p *Passthrough) kubeletURL(name string) (string, error) {
	obj, ok := p.Reader.Get("", "nodes", "", name)
	if !ok {
		return "", apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
	}
	node := obj.(*corev1.Node)
	if api.IsSimulated(node) {
		return "", apierrors.NewBadRequest(fmt.Sprintf("node %s is simulated for scale: nobody listens there, so its pods have no "+
			"logs, exec, attach or port-forward; pods on nodes without the label %s have", name, api.Simulated))
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			port := node.Status.DaemonEndpoints.KubeletEndpoint.Port
			if err := p.allowed(TargetKubelet, a.Address, port); err != nil {
				return "", err
			}
			return "https://" + net.JoinHostPort(a.Address, strconv.Itoa(int(port))), nil
		}
	}
	return "", unreachable("node %s has no InternalIP, so its kubelet can't be asked", name)
}

// UnreachableError says that whoever the request is passed on to does not answer: a kubelet, or what a pod serves. Nothing is
// wrong with the API server, so it is 503, where upstream says 500 for some.
type UnreachableError struct{ cause error }

func unreachable(format string, args ...any) error {
	return &UnreachableError{fmt.Errorf(format, args...)}
}

func (e *UnreachableError) Error() string { return e.cause.Error() }
func (e *UnreachableError) Unwrap() error { return e.cause }

// Takeover lets the connection of an answer be taken over (hijacked), and closes it when the server stops. Done ends the watch for
// that; it is called when the connection is not used any more.
func Takeover(w http.ResponseWriter, stopping <-chan struct{}) (out http.ResponseWriter, done func()) {
	h := &hijacker{ResponseWriter: w, stopping: stopping, ended: make(chan struct{})}
	return h, func() { close(h.ended) }
}

// hijacker is an http.ResponseWriter.
type hijacker struct {
	http.ResponseWriter
	stopping <-chan struct{}
	ended    chan struct{}
}

// Hijack is http.Hijacker's.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if out, ok := h.ResponseWriter.(interface{ Switched() }); ok {
		out.Switched() // to another protocol
	}
	go func() {
		select {
		case <-h.stopping:
			_ = conn.Close()
		case <-h.ended:
		}
	}()
	return conn, buffered, nil
}
