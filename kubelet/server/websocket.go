package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	utilexec "k8s.io/utils/exec"

	"minik.dev/kubelet/runtime"
)

// The channels of a WebSocket, by number.
const (
	stdinChannel = iota
	stdoutChannel
	stderrChannel
	errorChannel
	resizeChannel
	channels
)

// socketProtocol is the fifth version of the protocol, by which a client says that its input has ended. It is what kubectl
// speaks since 1.31; older ones are served by k8s.io/cri-streaming.
const socketProtocol = "v5.channel.k8s.io"

// serveSocket serves a command or a process over a WebSocket: it runs it with the client's streams, and says at the end how
// it ended.
func serveSocket(w http.ResponseWriter, r *http.Request, options *remotecommand.Options,
	run func(context.Context, runtime.Streams) error) {
	kinds := make([]wsstream.ChannelType, channels)
	for channel, kind := range map[int]struct {
		asked bool
		kind  wsstream.ChannelType
	}{
		stdinChannel: {options.Stdin, wsstream.ReadChannel}, stdoutChannel: {options.Stdout, wsstream.WriteChannel},
		stderrChannel: {options.Stderr, wsstream.WriteChannel}, errorChannel: {true, wsstream.WriteChannel},
		resizeChannel: {true, wsstream.ReadChannel},
	} {
		kinds[channel] = wsstream.IgnoreChannel
		if kind.asked {
			kinds[channel] = kind.kind
		}
	}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{socketProtocol: {Binary: true, Channels: kinds}})
	conn.SetIdleTimeout(streamIdle)
	_, opened, err := conn.Open(w, r)
	if err != nil {
		return // the client has gone, or was answered
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	streams := runtime.Streams{TTY: options.TTY}
	if options.Stdin {
		streams.Stdin = opened[stdinChannel]
	}
	if options.Stdout {
		streams.Stdout = opened[stdoutChannel]
	}
	if options.Stderr {
		streams.Stderr = opened[stderrChannel]
	}
	if options.TTY {
		streams.Resize = sizes(ctx, opened[resizeChannel])
	}
	// An empty message tells the client that it is connected.
	_, _ = opened[errorChannel].Write(nil)
	status, err := json.Marshal(endStatus(run(ctx, streams)))
	if err == nil {
		_, _ = opened[errorChannel].Write(status) // nobody is left to be told of a failure
	}
}

// sizes are the terminal's, as the client tells them.
func sizes(ctx context.Context, from io.Reader) <-chan runtime.TerminalSize {
	out := make(chan runtime.TerminalSize)
	go func() {
		defer close(out)
		for decoder := json.NewDecoder(from); ; {
			var size runtime.TerminalSize
			if decoder.Decode(&size) != nil {
				return
			}
			select {
			case out <- size:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// endStatus says how a command ended, in the words that clients look for.
func endStatus(err error) metav1.Status {
	var exit utilexec.ExitError
	switch {
	case err == nil:
		return metav1.Status{Status: metav1.StatusSuccess}
	case errors.As(err, &exit) && exit.Exited():
		return metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
			Message: fmt.Sprintf("command terminated with non-zero exit code: %v", exit),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
				{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(exit.ExitStatus())},
			}},
		}
	}
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Code: http.StatusInternalServerError,
		Message: fmt.Sprintf("Internal error occurred: error executing command in container: %v", err),
	}
}
