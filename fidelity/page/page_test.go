package page

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A run replaces its own section, and leaves the others.
func TestSections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fidelity.md")
	kinds := &Page{Title: "Kinds", About: "Writes.", Rows: "kind", Columns: []string{"writes", "columns"},
		Known: []string{"Pod error x # it is ours"}}
	kinds.Count("Pod", "writes", 3)
	kinds.Count("Pod", "writes", 4)
	require.NoError(t, kinds.Write(path))
	scheduling := &Page{Title: "Scheduling", About: "Decisions.", Rows: "what", Columns: []string{"cases"}}
	scheduling.Count("decisions", "cases", 10)
	require.NoError(t, scheduling.Write(path))
	kinds.Count("Pod", "columns", 2)
	require.NoError(t, kinds.Write(path))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, head+`
## Kinds

Writes.

| kind | writes | columns |
|---|---:|---:|
| Pod | 7 | 2 |

Known to differ:

- it is ours: `+"`Pod error x`"+`

## Scheduling

Decisions.

| what | cases |
|---|---:|
| decisions | 10 |
`, string(got))
}
