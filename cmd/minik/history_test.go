package main

import (
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

// A Secret's history shows that a value changed, and not to what.
func TestSecretsAreVeiled(t *testing.T) {
	secret := func(value string) map[string]any {
		s := map[string]any{
			"data":     map[string]any{"password": value},
			"metadata": map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": value}},
		}
		veil(s)
		return s
	}
	line := changeOf(secret("c2VjcmV0"), secret("b3RoZXI="), true)
	require.Regexp(t, `^data.password sha256:[0-9a-f]{8} → sha256:[0-9a-f]{8}$`, line)
	require.Equal(t, "who manages which field", changeOf(secret("a"), secret("a"), true))
}
