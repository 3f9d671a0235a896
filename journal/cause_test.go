package journal

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A key remembers the revisions that enqueued it, newest first, each once, and no more than the newest sixteen.
func TestCausesRememberTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		revisions := rapid.SliceOf(rapid.Int64Range(1, 40)).Draw(t, "revisions")
		var causes Causes[string]
		for _, r := range revisions {
			causes.Add("key", Cause{Revisions: []int64{r}}.String())
		}
		want := slices.Clone(revisions)
		slices.Sort(want)
		want = slices.Compact(want)
		slices.Reverse(want)
		want = want[:min(len(want), maxCauses)]
		got := causes.Take("key")
		require.Equal(t, len(revisions) == 0, got.Timer)
		require.True(t, slices.Equal(want, got.Revisions), "%v, not %v", got.Revisions, want)
	})
}

func TestACauseIsForgottenWhenItIsTakenAndComesBackWhenItIsReturned(t *testing.T) {
	var causes Causes[string]
	causes.Add("a", "7")
	causes.Add("a", "") // an object that was never stored
	causes.Add("b", "8")
	cause := causes.Take("a")
	require.Equal(t, "7", cause.String())
	require.Equal(t, "timer", causes.Take("a").String())
	causes.Add("a", "9")
	causes.Return("a", cause)
	require.Equal(t, "9,7", causes.Take("a").String())
	require.Equal(t, "8", causes.Take("b").String())
}

// What the transport sends is what the server reads.
func TestCauseAndReasonTravelWithAWrite(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	send := func(ctx context.Context, method string) (Cause, string, error) {
		req, err := http.NewRequestWithContext(ctx, method, server.URL, nil)
		require.NoError(t, err)
		resp, err := Transport(http.DefaultTransport).RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return FromRequest(got.Header)
	}
	reason := "ReplicaSet web-5d9 wants 3 pods, has 2: 100 % „ja“\nand more"
	ctx := WithReason(WithCause(t.Context(), Cause{Revisions: []int64{12, 7}}), reason)
	cause, said, err := send(ctx, http.MethodPost)
	require.NoError(t, err)
	require.Equal(t, []int64{12, 7}, cause.Revisions)
	require.Equal(t, reason, said)

	for _, reason := range []string{" spaces around ", "\u007f", "100%41", "plain, like most: (a) \"b\""} {
		_, said, err = send(WithReason(t.Context(), reason), http.MethodPost)
		require.NoError(t, err)
		require.Equal(t, reason, said)
	}
	require.Equal(t, "plain, like most: (a) \"b\"", got.Header.Get(ReasonHeader), "most can be read as they are")

	_, said, err = send(ctx, http.MethodGet) // a read has no cause
	require.NoError(t, err)
	require.Empty(t, said)

	long := strings.Repeat("ä", MaxReason)
	_, said, err = send(WithReason(t.Context(), long), http.MethodPut)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ä", MaxReason/2), said, "cut at a rune's border")
}

func TestHeadersThatCannotBeReadAreErrors(t *testing.T) {
	for _, header := range []http.Header{
		{CauseHeader: {"x"}}, {CauseHeader: {"-1"}}, {CauseHeader: {"1,,2"}}, {CauseHeader: {strings.Repeat("1,", 40) + "1"}},
		{ReasonHeader: {"%zz"}}, {ReasonHeader: {"%ff"}}, {ReasonHeader: {strings.Repeat("a", MaxReason+1)}},
	} {
		_, _, err := FromRequest(header)
		require.Error(t, err, "%v", header)
		require.Contains(t, err.Error(), "Minik-")
	}
}
