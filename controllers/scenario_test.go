package controllers

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write what the plans answer into testdata instead of comparing")

// given is one line of a scenario: a word, a name, and what is said of it. "pod a node=n1 deleting" has node "n1" and
// deleting "".
type given struct {
	t          require.TestingT
	word, name string
	said       map[string]string
}

func (g given) has(key string) bool { _, ok := g.said[key]; return ok }

func (g given) str(key, otherwise string) string {
	if v, ok := g.said[key]; ok {
		return v
	}
	return otherwise
}

func (g given) int(key string, otherwise int32) int32 {
	v, ok := g.said[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 32)
	require.NoError(g.t, err, "%s %s: %s", g.word, g.name, key)
	return int32(n)
}

// ago is the moment that lies the said duration before noon.
func (g given) ago(key string, otherwise time.Duration) time.Time {
	v, ok := g.said[key]
	if !ok {
		return noon.Add(-otherwise)
	}
	d, err := time.ParseDuration(v)
	require.NoError(g.t, err, "%s %s: %s", g.word, g.name, key)
	return noon.Add(-d)
}

// runScenarios reads the files of testdata/<dir>. A file is a row of scenarios, with an empty line between two: prose
// after #, what is given, a line of dashes, and what the plan answers.
func runScenarios(t *testing.T, dir string, answer func(t *testing.T, lines []given) string) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "scenarios in testdata/%s", dir)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var out []string
		for _, block := range strings.Split(strings.TrimSpace(string(content)), "\n\n") {
			question, _, _ := strings.Cut(block, "\n----")
			title := strings.TrimLeft(strings.SplitN(question, "\n", 2)[0], "# ")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+title, func(t *testing.T) {
				got := question + "\n----\n" + strings.TrimSpace(answer(t, parse(t, question)))
				out = append(out, got)
				if !*rewrite {
					require.Equal(t, block, got)
				}
			})
		}
		if *rewrite {
			require.NoError(t, os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o644))
		}
	}
}

func parse(t *testing.T, question string) []given {
	var lines []given
	for line := range strings.Lines(question) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		require.GreaterOrEqual(t, len(words), 2, "a line needs a word and a name: %q", line)
		g := given{t: t, word: words[0], name: words[1], said: map[string]string{}}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			g.said[key] = value
		}
		lines = append(lines, g)
	}
	return lines
}
