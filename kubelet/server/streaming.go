package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	utilexec "k8s.io/utils/exec"

	"minik.dev/kubelet/runtime"
)

// How long a connection may be silent, and how long a client may take to open its streams, as upstream's.
const (
	streamIdle     = 4 * time.Hour
	streamCreation = remotecommand.DefaultStreamCreationTimeout
)

// target is the container or sandbox that a connection is for.
type target struct {
	pod     *corev1.Pod
	id      string
	running runtime.Pod
}

// targetOf finds what the request is for: the running container that it names, or the pod's sandbox. Otherwise it answers.
func (s *Server) targetOf(w http.ResponseWriter, r *http.Request) (target, bool) {
	pod := s.options.Pods.Find(r.PathValue("namespace"), r.PathValue("pod"))
	if pod == nil {
		refuse(w, http.StatusNotFound, "pod does not exist")
		return target{}, false
	}
	running, err := runtime.PodOf(r.Context(), s.options.Runtime, pod.UID)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return target{}, false
	}
	out := target{pod: pod, running: running}
	name := r.PathValue("container")
	if name == "" {
		if out.id = running.Sandbox.ID; out.id == "" || !running.Sandbox.Ready {
			refuse(w, http.StatusNotFound, fmt.Sprintf("sandbox not found for pod %q", pod.Name))
			return target{}, false
		}
		return out, true
	}
	for _, c := range running.Containers {
		if c.Name == name && c.State == runtime.Running {
			out.id = c.ID
		}
	}
	if out.id == "" {
		refuse(w, http.StatusNotFound, fmt.Sprintf("container not found (%q)", name))
		return target{}, false
	}
	return out, true
}

// refuse answers a connection with what every client of the API prints: a Status. Those that come by WebSocket drop any
// other text.
func refuse(w http.ResponseWriter, code int, message string) {
	status := metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
		Code: int32(code), Message: message, Reason: map[int]metav1.StatusReason{
			http.StatusBadRequest: metav1.StatusReasonBadRequest, http.StatusNotFound: metav1.StatusReasonNotFound,
			http.StatusInternalServerError: metav1.StatusReasonInternalError,
		}[code]}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status) // nobody is left to be told of a failure
}

// access is one client's way into one container.
type access struct {
	executor runtime.Executor
	id       string
	options  *remotecommand.Options
}

// accessOf is the client's access, or answers why there is none.
func (s *Server) accessOf(w http.ResponseWriter, r *http.Request) (access, bool) {
	at, ok := s.targetOf(w, r)
	if !ok {
		return access{}, false
	}
	executor, ok := s.options.Runtime.(runtime.Executor)
	if !ok {
		refuse(w, http.StatusNotImplemented, fmt.Sprintf("the containers of node %s are simulated: there is no process to "+
			"connect to; `minik up --runtime docker` runs real ones", s.options.Node))
		return access{}, false
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return access{}, false
	}
	return access{executor, at.id, options}, true
}

// serveExec runs a command in a container.
func (s *Server) serveExec(w http.ResponseWriter, r *http.Request) {
	a, ok := s.accessOf(w, r)
	if !ok {
		return
	}
	command := r.URL.Query()["command"]
	if wsstream.IsWebSocketRequestWithStreamCloseProtocol(r) {
		serveSocket(w, r, a.options, func(ctx context.Context, streams runtime.Streams) error { return a.run(ctx, command, streams) })
		return
	}
	remotecommand.ServeExec(w, r, a, "", "", "", command, a.options, streamIdle, streamCreation,
		remotecommand.SupportedStreamingProtocols)
}

// serveAttach connects to a container's first process.
func (s *Server) serveAttach(w http.ResponseWriter, r *http.Request) {
	a, ok := s.accessOf(w, r)
	if !ok {
		return
	}
	if wsstream.IsWebSocketRequestWithStreamCloseProtocol(r) {
		serveSocket(w, r, a.options, func(ctx context.Context, streams runtime.Streams) error {
			return a.executor.Attach(ctx, a.id, streams)
		})
		return
	}
	remotecommand.ServeAttach(w, r, a, "", "", "", a.options, streamIdle, streamCreation,
		remotecommand.SupportedStreamingProtocols)
}

// run runs the command; an exit code that is not zero is an error that tells it.
func (a access) run(ctx context.Context, command []string, streams runtime.Streams) error {
	code, err := a.executor.Exec(ctx, a.id, command, streams)
	if err == nil && code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: int(code)}
	}
	return err
}

// ExecInContainer is remotecommand.Executor's.
func (a access) ExecInContainer(ctx context.Context, _, _, _ string, command []string, in io.Reader, out, errs io.WriteCloser,
	_ bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return a.run(ctx, command, a.streams(ctx, in, out, errs, resize))
}

// AttachContainer is remotecommand.Attacher's.
func (a access) AttachContainer(ctx context.Context, _, _, _ string, in io.Reader, out, errs io.WriteCloser, _ bool,
	resize <-chan remotecommand.TerminalSize) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return a.executor.Attach(ctx, a.id, a.streams(ctx, in, out, errs, resize))
}

// streams are those that the client asked for; the others are nil.
func (a access) streams(ctx context.Context, in io.Reader, out, errs io.Writer,
	resize <-chan remotecommand.TerminalSize) runtime.Streams {
	streams := runtime.Streams{TTY: a.options.TTY}
	if a.options.Stdin {
		streams.Stdin = in
	}
	if a.options.Stdout {
		streams.Stdout = out
	}
	if a.options.Stderr {
		streams.Stderr = errs
	}
	if resize != nil {
		sizes := make(chan runtime.TerminalSize)
		streams.Resize = sizes
		go func() {
			for {
				select {
				case size, ok := <-resize:
					if !ok {
						return
					}
					select {
					case sizes <- runtime.TerminalSize{Width: size.Width, Height: size.Height}:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return streams
}

// servePortForward connects a client to ports of a pod.
func (s *Server) servePortForward(w http.ResponseWriter, r *http.Request) {
	at, ok := s.targetOf(w, r)
	if !ok {
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	portforward.ServePortForward(w, r, forwarder{s, at}, "", "", options, streamIdle, streamCreation,
		portforward.SupportedProtocols)
}

// forwarder connects to the ports of one pod.
type forwarder struct {
	s  *Server
	at target
}

// PortForward is portforward.PortForwarder's: it copies both ways until both sides have nothing more to say, or one is gone.
func (f forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	connection, err := f.dial(ctx, port)
	if err != nil {
		return fmt.Errorf("error forwarding port %d to pod %s: %w", port, f.at.pod.Name, err)
	}
	defer func() { _ = connection.Close() }()
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(connection, stream) // a client that has gone has nothing more to say
		if half, ok := connection.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	if _, err := io.Copy(stream, connection); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("error forwarding port %d to pod %s: %w", port, f.at.pod.Name, err)
	}
	_ = stream.Close()
	<-sent
	return nil
}

// dial connects to the port as one of the pod's own containers would, where the runtime can; else at the pod's address.
func (f forwarder) dial(ctx context.Context, port int32) (net.Conn, error) {
	if dialer, ok := f.s.options.Runtime.(runtime.PodDialer); ok {
		return dialer.DialPod(ctx, f.at.id, port)
	}
	ip := f.at.running.Sandbox.IP()
	if ip == "" && len(f.s.options.HostIPs) > 0 {
		ip = f.s.options.HostIPs[0]
	}
	return f.s.options.Dial(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(int(port))))
}
