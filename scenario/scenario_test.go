package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// In each form, -rewrite writes what was played and leaves what is given as it is; afterwards it is compared, and is the same.
func TestRewrite(t *testing.T) {
	dir := t.TempDir()
	upper := func(_ *testing.T, text string) string { return strings.ToUpper(text) }
	for name, c := range map[string]struct {
		before, after string
		play          func(t *testing.T, pattern string)
	}{
		"files":    {"a\n", "A\n", func(t *testing.T, p string) { Files(t, p, upper) }},
		"sections": {"prose\n-- given --\na\n-- answer --\n", "prose\n-- given --\na\n-- answer --\nA\n", fill},
		"blocks": {"# One.\na\n----\n\n# Two.\nb\n----\nstale\n", "# One.\na\n----\n# ONE.\nA\n\n# Two.\nb\n----\n# TWO.\nB\n",
			func(t *testing.T, p string) { Blocks(t, p, upper) }},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name+".txt")
			require.NoError(t, os.WriteFile(file, []byte(c.before), 0o600))
			*rewrite = true
			c.play(t, file)
			*rewrite = false
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, c.after, string(text))
			if name != "files" { // whose answer stands in the place of what is given
				c.play(t, file)
			}
		})
	}
	given := filepath.Join(dir, "given.yaml")
	require.NoError(t, os.WriteFile(given, []byte("a"), 0o600))
	*rewrite = true
	Answers(t, given, upper)
	*rewrite = false
	Answers(t, given, upper)
}

func fill(t *testing.T, pattern string) {
	Sections(t, pattern, func(_ *testing.T, sections []txtar.File) {
		sections[1].Data = []byte(strings.ToUpper(string(sections[0].Data)))
	})
}
