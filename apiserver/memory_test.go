package apiserver

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where memory is short lists wait for each other, as long as their requests may; then they do not.
func TestListsWaitWhereMemoryIsShort(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.ShortOfMemory(true)
	var ends []func()
	for range scarceLists {
		end, err := ts.lists.take(t.Context())
		require.NoError(t, err)
		ends = append(ends, end)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ts.lists.take(over)
	require.ErrorIs(t, err, context.Canceled)
	response, _ := ts.call(t, "GET", "/api/v1/configmaps?timeout=20ms", "")
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	response, _ = ts.call(t, "GET", "/api/v1/namespaces/shop", "")
	require.Equal(t, http.StatusOK, response.StatusCode, "what is small does not wait")

	ends[0]()
	response, _ = ts.call(t, "GET", "/api/v1/configmaps", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	end, err := ts.lists.take(t.Context())
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() {
		response, _ := ts.call(t, "GET", "/api/v1/configmaps", "")
		answered <- response.StatusCode
	}()
	ts.ShortOfMemory(false)
	require.Equal(t, http.StatusOK, <-answered, "and whoever waited goes on")
	end()
	ends[1]()
	require.Zero(t, ts.lists.now)
}
