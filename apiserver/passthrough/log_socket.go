package passthrough

import (
	"encoding/base64"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// The protocols in which a log comes over a WebSocket; a client that names none gets the first (upstream).
const (
	binaryLog = "binary.k8s.io"
	base64Log = "base64.binary.k8s.io"
)

// messagePatience is how long a client may take to read one message.
const messagePatience = 30 * time.Second

// logSocket copies a log to a WebSocket, a message for each piece, until it ends or the client goes. The first message is
// empty: it tells the client that the connection works, as upstream's does.
func (p *Passthrough) logSocket(c *Call, from io.ReadCloser) {
	w, done := Takeover(c.W, p.Stopping)
	defer done()
	upgrader := websocket.Upgrader{Subprotocols: []string{binaryLog, base64Log}, CheckOrigin: anyOrigin}
	conn, err := upgrader.Upgrade(w, c.Request, nil)
	if err != nil {
		p.Logger.Debug("a log was not opened", "component", "apiserver", "err", err) // the client has been answered
		return
	}
	defer func() { _ = conn.Close() }() // everything was said
	go func() {                         // whoever reads a log has nothing to say: reading tells when they go
		for {
			if _, _, err := conn.NextReader(); err != nil {
				_ = from.Close() // ends the copying
				return
			}
		}
	}()
	kind, encode := websocket.BinaryMessage, func(piece []byte) []byte { return piece }
	if conn.Subprotocol() == base64Log {
		kind = websocket.TextMessage
		encode = func(piece []byte) []byte { return base64.StdEncoding.AppendEncode(nil, piece) }
	}
	piece := make([]byte, 32<<10)
	for n := 0; ; {
		_ = conn.SetWriteDeadline(time.Now().Add(messagePatience)) //nolint:forbidigo // connections live in real time; it never fails
		if conn.WriteMessage(kind, encode(piece[:n])) != nil {
			return // the client has gone
		}
		if n, err = from.Read(piece); n == 0 && err != nil {
			_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
			return
		}
	}
}

// anyOrigin lets scripts of every page connect: no cookie tells who asks, so that none can ask in somebody else's name.
func anyOrigin(*http.Request) bool { return true }
