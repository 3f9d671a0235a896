package journal

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"minik.dev/scenario"
)

// TestDifference reads testdata/difference/*.txt: an object before a write and after it, every change, and the line of
// `minik history`.
func TestDifference(t *testing.T) {
	scenario.Sections(t, "testdata/difference/*.txt", func(t *testing.T, sections []txtar.File) {
		states := map[string]map[string]any{}
		for i, f := range sections {
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
				sections[i].Data = []byte(strings.Join(append(lines, ""), "\n"))
			case "line":
				sections[i].Data = []byte(Line(Difference(states["before"], states["after"]), 3) + "\n")
			}
		}
	})
}
