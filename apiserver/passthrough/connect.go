package passthrough

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/proxy"
	"k8s.io/client-go/tools/portforward"
)

// tunnelled is how clients since kubectl 1.31 ask for ports: SPDY's bytes, as messages of a WebSocket.
const tunnelled = "SPDY/3.1+portforward.k8s.io"

// Connect passes an upgraded connection on to the kubelet of the pod's node, and returns when it has ended. The subresource is exec,
// attach or portforward.
func (p *Passthrough) Connect(c *Call, pod *corev1.Pod, subresource string) error {
	path, query, err := kubeletPath(subresource, pod, c.URL.Query())
	if err != nil {
		return err
	}
	if pod.Spec.NodeName == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	base, err := p.kubeletURL(pod.Spec.NodeName)
	if err != nil {
		return err
	}
	location, err := url.Parse(base + path)
	if err != nil {
		return unreachable("asking the kubelet of %s: %w", pod.Spec.NodeName, err)
	}
	location.RawQuery = query.Encode()
	c.anonymize()
	w, done := Takeover(c.W, p.Stopping)
	defer done()
	if slices.Contains(websocket.Subprotocols(c.Request), tunnelled) {
		return p.tunnel(c, w, location)
	}
	proxy.NewUpgradeAwareHandler(location, p.kubelets, false, true, c).ServeHTTP(w, c.Request)
	return nil
}

// kubeletPath is what the kubelet is asked for, in its own words.
func kubeletPath(sub string, pod *corev1.Pod, query url.Values) (string, url.Values, error) {
	where := url.PathEscape(pod.Namespace) + "/" + url.PathEscape(pod.Name)
	out := url.Values{}
	if sub == "portforward" {
		for _, port := range query["ports"] {
			out.Add("port", port)
		}
		return "/portForward/" + where, out, nil
	}
	container, err := LogContainer(pod, query.Get("container"))
	if err != nil {
		return "", nil, err
	}
	any := false
	for ours, theirs := range map[string]string{"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"} {
		asked, err := strconv.ParseBool(query.Get(ours))
		if err != nil && query.Get(ours) != "" {
			return "", nil, apierrors.NewBadRequest(fmt.Sprintf("%s=%q is neither true nor false", ours, query.Get(ours)))
		}
		if asked {
			out.Set(theirs, "1")
			any = any || ours != "tty"
		}
	}
	if !any {
		return "", nil, apierrors.NewBadRequest("you must specify at least one of stdin, stdout, stderr")
	}
	if sub == "exec" {
		if out["command"] = query["command"]; len(out["command"]) == 0 {
			return "", nil, apierrors.NewBadRequest("you must specify at least 1 command for the container")
		}
	}
	return "/" + sub + "/" + where + "/" + url.PathEscape(container), out, nil
}

// tunnel speaks SPDY to the kubelet, and passes its bytes to and from the client as messages of a WebSocket.
func (p *Passthrough) tunnel(c *Call, w http.ResponseWriter, location *url.URL) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	node, err := p.dialSPDY(ctx, location)
	if err != nil {
		return err
	}
	defer func() { _ = node.Close() }()
	upgrader := websocket.Upgrader{Subprotocols: []string{tunnelled}, CheckOrigin: func(*http.Request) bool { return true }}
	socket, err := upgrader.Upgrade(w, c.Request, nil)
	if err != nil {
		p.Logger.Debug("a tunnel was not opened", "component", "apiserver", "err", err) // the client has been answered
		return nil
	}
	client := portforward.NewTunnelingConnection("server", socket)
	done := make(chan struct{}, 2)
	pipe := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // that one side has gone ends both
		done <- struct{}{}
	}
	go pipe(node, client)
	go pipe(client, node)
	<-done
	_ = client.Close()
	_ = node.Close()
	<-done
	return nil
}

// dialSPDY opens a connection to the kubelet and has it upgraded.
func (p *Passthrough) dialSPDY(ctx context.Context, location *url.URL) (net.Conn, error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, location.String(), nil)
	if err != nil {
		return nil, unreachable("asking the kubelet at %s: %w", location.Host, err)
	}
	ask.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	ask.Header.Set(httpstream.HeaderUpgrade, "SPDY/3.1")
	ask.Header.Set(httpstream.HeaderProtocolVersion, "portforward.k8s.io")
	node, err := proxy.DialURL(ctx, location, p.kubelets)
	if err != nil {
		return nil, unreachable("connecting to the kubelet at %s: %w", location.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = node.Close() })
	defer stop()
	if err := ask.Write(node); err != nil {
		return nil, unreachable("asking the kubelet at %s: %w", location.Host, err)
	}
	reader := bufio.NewReader(node)
	answer, err := http.ReadResponse(reader, ask)
	if err != nil {
		_ = node.Close()
		return nil, unreachable("reading the answer of the kubelet at %s: %w", location.Host, err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		defer func() { _ = node.Close() }()
		return nil, kubeletError(answer)
	}
	return &ahead{Conn: node, reader: reader}, nil
}

// ahead is a connection of which some has been read already.
type ahead struct {
	net.Conn
	reader *bufio.Reader
}

func (a *ahead) Read(p []byte) (int, error) { return a.reader.Read(p) }
