package apiserver

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/apimachinery/pkg/watch"
	"minik.dev/apiserver/passthrough"
)

// socket is a watch over a WebSocket: one message for each event, as browsers read it.
type socket struct {
	*websocket.Conn
	cancel context.CancelFunc
	done   func()
}

// watchSocket upgrades the request's connection. From here on the request's context ends when the client has gone.
func (s *Server) watchSocket(r *request) (*socket, error) {
	w, done := passthrough.Takeover(r.w, s.stopping)
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // no cookie tells who asks
	conn, err := upgrader.Upgrade(w, r.Request, nil)
	if err != nil {
		done()
		return nil, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	r.Request = r.WithContext(ctx)
	out := &socket{Conn: conn, cancel: cancel, done: done}
	go func() { // whoever watches has nothing to say: reading tells when they go
		defer cancel()
		for {
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
	}()
	return out, nil
}

func (s *socket) frame(m media, kind watch.EventType, object []byte) error {
	var message bytes.Buffer
	if err := m.writeFrame(&message, kind, object); err != nil {
		return err
	}
	_ = s.SetWriteDeadline(time.Now().Add(readPatience)) //nolint:forbidigo // connections live in real time; it never fails
	if m.Type == mediaProto {
		message.Next(4) // the length: a message knows its own
		return s.WriteMessage(websocket.BinaryMessage, message.Bytes())
	}
	return s.WriteMessage(websocket.TextMessage, bytes.TrimSuffix(message.Bytes(), []byte("\n")))
}

func (s *socket) flush() error { return nil } // each message is on its way

// close says goodbye. The goroutine that reads ends with the connection.
func (s *socket) close() {
	_ = s.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_ = s.Close()
	s.done()
	s.cancel()
}
