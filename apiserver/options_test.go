package apiserver

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client may want less time than a request has, and gets no more.
func TestTimeouts(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"": requestTimeout, "timeout=5s": 5 * time.Second, "timeout=0s": requestTimeout, "timeout=1h": requestTimeout,
	} {
		r := &request{Request: httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/pods?"+query, nil)}
		got, err := r.timeout()
		require.NoError(t, err)
		require.Equal(t, want, got, query)
	}
}
