package passthrough

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// A log comes over a WebSocket as bytes, or as base64 for those who can read texts alone, after an empty message. A client that
// goes ends the copying.
func TestLogOverAWebSocket(t *testing.T) {
	followed, closed := make(chan struct{}), make(chan struct{})
	p := New(Options{Stopping: t.Context().Done(), Logger: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log := io.NopCloser(strings.NewReader("hello\n"))
		if r.URL.Query().Has("follow") {
			in, out := io.Pipe()
			log = in
			go func() {
				_, _ = out.Write([]byte("hello\n"))
				<-followed
				for err := error(nil); err == nil; {
					_, err = out.Write([]byte("nobody reads this\n"))
				}
				close(closed)
			}()
		}
		p.logSocket(&Call{Request: r, W: w}, log)
	}))
	defer server.Close()
	read := func(query string, protocols ...string) (*websocket.Conn, int, []string) {
		dialer := websocket.Dialer{Subprotocols: protocols}
		conn, response, err := dialer.DialContext(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+query, nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		kind, first, err := conn.ReadMessage()
		require.NoError(t, err)
		_, second, err := conn.ReadMessage()
		require.NoError(t, err)
		return conn, kind, []string{string(first), string(second)}
	}
	for _, c := range []struct {
		protocols []string
		kind      int
		text      string
	}{
		{nil, websocket.BinaryMessage, "hello\n"},
		{[]string{"binary.k8s.io"}, websocket.BinaryMessage, "hello\n"},
		{[]string{"base64.binary.k8s.io"}, websocket.TextMessage, "aGVsbG8K"},
	} {
		conn, kind, texts := read("", c.protocols...)
		require.Equal(t, c.kind, kind)
		require.Equal(t, []string{"", c.text}, texts)
		_, _, err := conn.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
		require.NoError(t, conn.Close())
	}
	conn, _, texts := read("?follow=true")
	require.Equal(t, []string{"", "hello\n"}, texts)
	require.NoError(t, conn.Close())
	close(followed)
	<-closed
}
