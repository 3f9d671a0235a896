package main

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRenderHistory(t *testing.T) {
	now := traceTime.Add(time.Hour)
	revisions := parseRevisions(t, `
12 +25h kubelet update pods/web-1/status because 11 : phase Running, was Pending
11 +1s kubectl create pods/web-1`[1:])
	lines := []historyLine{
		{Revision: revisions[0], Change: changeOf(map[string]any{"a": "x"}, map[string]any{"a": "y"}, true)},
		{Revision: revisions[1], Change: changeOf(nil, map[string]any{}, true)},
	}
	require.Equal(t, `REVISION  TIME                     ACTOR    OBJECT                     CHANGE   REASON
12        2026-03-02 13:00:00.000  kubelet  default/pods/web-1/status  a x → y  phase Running, was Pending
11        12:00:01.000             kubectl  default/pods/web-1         created
`, renderHistory(lines, true, now))
	require.Equal(t, `REVISION  TIME          ACTOR    CHANGE   REASON
11        12:00:01.000  kubectl  created
`, renderHistory(lines[1:], false, now))
	m := map[string]any{}
	for _, c := range []struct {
		before, after map[string]any
		known         bool
		want          string
	}{
		{m, nil, true, "deleted"}, {nil, nil, true, "nothing is left of it"}, {m, m, true, "who manages which field"}, {nil, m, false, ""},
	} {
		require.Equal(t, c.want, changeOf(c.before, c.after, c.known))
	}
}

// A Secret's history shows that a value changed, and not to what. Nobody can try guesses against what it shows: another run of
// minik shows the same value in another way.
func TestSecretsAreVeiled(t *testing.T) {
	secret := func(v veil, value string) map[string]any {
		s := map[string]any{
			"data":     map[string]any{"password": value, "user": "YWRtaW4="},
			"metadata": map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": value}},
		}
		v.over(s)
		return s
	}
	v := newVeil()
	line := changeOf(secret(v, "c2VjcmV0"), secret(v, "b3RoZXI="), true)
	require.Regexp(t, `^data.password hidden:[0-9a-f]{8} → hidden:[0-9a-f]{8}$`, line)
	require.Equal(t, "who manages which field", changeOf(secret(v, "a"), secret(v, "a"), true))
	require.NotEqual(t, secret(v, "c2VjcmV0")["data"], secret(newVeil(), "c2VjcmV0")["data"])
	sum := sha256.Sum256([]byte("c2VjcmV0"))
	require.NotContains(t, line, hex.EncodeToString(sum[:4]))
}
