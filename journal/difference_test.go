package journal

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var rewrite = flag.Bool("rewrite", false, "write what the functions answer into the scenario files")

// TestDifference reads testdata/difference/*.txt: an object before a write and after it, every change, and the line of
// `minik history`.
func TestDifference(t *testing.T) {
	files, err := filepath.Glob("testdata/difference/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			want := string(txtar.Format(archive))
			states := map[string]map[string]any{}
			for i, f := range archive.Files {
				switch f.Name {
				case "before", "after":
					var state map[string]any
					require.NoError(t, yaml.Unmarshal(f.Data, &state))
					states[f.Name] = state
				case "changes":
					var lines []string
					for _, c := range Difference(states["before"], states["after"]) {
						lines = append(lines, c.String())
					}
					archive.Files[i].Data = []byte(strings.Join(append(lines, ""), "\n"))
				case "line":
					archive.Files[i].Data = []byte(Line(Difference(states["before"], states["after"]), 3) + "\n")
				}
			}
			if *rewrite {
				require.NoError(t, os.WriteFile(file, txtar.Format(archive), 0o644))
				return
			}
			require.Equal(t, want, string(txtar.Format(archive)))
		})
	}
}
