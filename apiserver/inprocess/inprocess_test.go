package inprocess

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/utils/clock"
)

// An answer that broke off is not taken for one that ended.
func TestAnswersThatBreakOff(t *testing.T) {
	stopping := make(chan struct{})
	defer close(stopping)
	say := ""
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if say != "" {
			_, _ = io.WriteString(w, say)
		}
		panic(http.ErrAbortHandler)
	})
	s := New(Server{Handler: handler, Stopping: stopping, Clock: clock.RealClock{}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://here/", nil)
	require.NoError(t, err)
	_, err = (&roundTripper{server: s}).RoundTrip(req) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	say = "half"
	answer, err := (&roundTripper{server: s}).RoundTrip(req)
	require.NoError(t, err)
	said, err := io.ReadAll(answer.Body)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, say, string(said))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
