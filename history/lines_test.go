package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	now := traceTime.Add(time.Hour)
	revisions := parseRevisions(t, `
12 +25h kubelet update pods/web-1/status because 11 : phase Running, was Pending
11 +1s kubectl create pods/web-1`[1:])
	lines := []Line{
		{Revision: revisions[0], Change: changeOf(map[string]any{"a": "x"}, map[string]any{"a": "y"}, true)},
		{Revision: revisions[1], Change: changeOf(nil, map[string]any{}, true)},
	}
	require.Equal(t, `REVISION  TIME                     ACTOR    OBJECT                     CHANGE   REASON
12        2026-03-02 13:00:00.000  kubelet  default/pods/web-1/status  a x → y  phase Running, was Pending
11        12:00:01.000             kubectl  default/pods/web-1         created
`, Text(lines, true, now, 0))
	require.Equal(t, `REVISION  TIME          ACTOR    CHANGE   REASON
11        12:00:01.000  kubectl  created
`, Text(lines[1:], false, now, 0))
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
