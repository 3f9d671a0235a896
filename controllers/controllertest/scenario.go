package controllertest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"minik.dev/scenario"
)

// Given is one line of a scenario: a word, a name, and what is said of it. "pod a node=n1 deleting" has node "n1" and
// deleting "".
type Given struct {
	T          require.TestingT
	Word, Name string
	Said       map[string]string
}

// Has reports whether something is said of the key.
func (g Given) Has(key string) bool { _, ok := g.Said[key]; return ok }

// Str is what is said of the key.
func (g Given) Str(key, otherwise string) string {
	if v, ok := g.Said[key]; ok {
		return v
	}
	return otherwise
}

// Int is the number that is said of the key.
func (g Given) Int(key string, otherwise int32) int32 {
	v, ok := g.Said[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 32)
	require.NoError(g.T, err, "%s %s: %s", g.Word, g.Name, key)
	return int32(n)
}

// Ago is the moment that lies the said duration before noon.
func (g Given) Ago(key string, otherwise time.Duration) time.Time {
	v, ok := g.Said[key]
	if !ok {
		return Noon.Add(-otherwise)
	}
	d, err := time.ParseDuration(v)
	require.NoError(g.T, err, "%s %s: %s", g.Word, g.Name, key)
	return Noon.Add(-d)
}

// Scenarios reads the files of testdata. A file is a row of scenarios, with an empty line between two: prose
// after #, what is given, a line of dashes, and what the plan answers.
func Scenarios(t *testing.T, answer func(t *testing.T, lines []Given) string) {
	t.Helper()
	scenario.Blocks(t, "testdata/*.txt", func(t *testing.T, question string) string { return answer(t, parse(t, question)) })
}

func parse(t *testing.T, question string) []Given {
	var lines []Given
	for line := range strings.Lines(question) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		require.GreaterOrEqual(t, len(words), 2, "a line needs a word and a name: %q", line)
		g := Given{T: t, Word: words[0], Name: words[1], Said: map[string]string{}}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			g.Said[key] = value
		}
		lines = append(lines, g)
	}
	return lines
}
