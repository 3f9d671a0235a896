package apiserver

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is large is compressed for those who take it, and for nobody else.
func TestCompression(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	for _, name := range []string{"a", "b"} {
		_, s := ts.ask(t, "POST", "/api/v1/namespaces/shop/configmaps",
			`{"metadata":{"name":"`+name+`"},"data":{"text":"`+strings.Repeat("many words ", 20_000)+`"}}`)
		require.Empty(t, s.Message)
	}
	const list, one, small = "/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/shop/configmaps/a", "/api/v1/namespaces/shop"
	for _, path := range []string{list, one, list + "?pretty=true"} {
		_, plain := ts.call(t, "GET", path, "", "Accept-Encoding", "identity")
		response, packed := ts.call(t, "GET", path, "", "Accept-Encoding", "br, gzip;q=0.8")
		require.Equal(t, "gzip", response.Header.Get("Content-Encoding"), path)
		require.Equal(t, "Accept-Encoding", response.Header.Get("Vary"))
		require.Less(t, len(packed), len(plain)/10)
		reader, err := gzip.NewReader(bytes.NewReader(packed))
		require.NoError(t, err)
		unpacked, err := io.ReadAll(reader)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, unpacked), "the same bytes: %s", path)
	}
	response, _ := ts.call(t, "GET", list, "", "Accept-Encoding", "identity")
	require.Empty(t, response.Header.Get("Content-Encoding"))
	response, body := ts.call(t, "GET", small, "", "Accept-Encoding", "gzip")
	require.Empty(t, response.Header.Get("Content-Encoding"), "not worth it")
	require.Contains(t, string(body), `"name":"shop"`)
	response, _ = ts.call(t, "POST", list, `{"metadata":{"name":"c"},"data":{"text":"`+strings.Repeat("x", 200_000)+`"}}`,
		"Accept-Encoding", "gzip", "Content-Type", "application/json")
	require.Equal(t, http.StatusCreated, response.StatusCode)
	require.Empty(t, response.Header.Get("Content-Encoding"), "nothing is read")
}
