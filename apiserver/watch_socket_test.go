package apiserver

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// A watch over a WebSocket has one message for each event, as a browser reads it.
func TestWatchOverAWebSocket(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	tlsConfig, err := rest.TLSConfigFor(ts.config)
	require.NoError(t, err)
	tlsConfig.NextProtos = []string{"http/1.1"}
	dialer := websocket.Dialer{TLSClientConfig: tlsConfig}
	url := strings.Replace(ts.config.Host, "https://", "wss://", 1) + "/api/v1/namespaces/shop/configmaps?watch=true"
	conn, _, err := dialer.DialContext(t.Context(), url, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	next := func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		kind, message, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, websocket.TextMessage, kind)
		var event struct {
			Type   string
			Object metav1.PartialObjectMetadata
		}
		require.NoError(t, json.Unmarshal(message, &event))
		return event.Type + " " + event.Object.Name
	}
	require.Equal(t, "ADDED a", next())
	ts.configMap(t, "shop", "b")
	require.Equal(t, "ADDED b", next())

	_, response, err := dialer.DialContext(t.Context(), url+"&resourceVersion=x", nil)
	require.Error(t, err)
	require.Equal(t, http.StatusBadRequest, response.StatusCode, "a refusal is an answer and no message")
	require.NoError(t, response.Body.Close())

	conn, _, err = dialer.DialContext(t.Context(), url+"&timeoutSeconds=1&resourceVersion=0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.Equal(t, "ADDED a", next())
	require.Equal(t, "ADDED b", next())
	_, _, err = conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
}

// Shortly before a watch ends by itself it says how far it has come.
func TestTheLastBookmark(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	seconds := int64(lastBookmark/time.Second) + 1
	w := ts.watchMaps(t, metav1.ListOptions{AllowWatchBookmarks: true, TimeoutSeconds: &seconds})
	require.Equal(t, "BOOKMARK", told(t, w), "the end of the initial events, which a watch from nowhere asks for (upstream)")
	require.Equal(t, "BOOKMARK", told(t, w))
	require.Equal(t, "END", told(t, w))
}
