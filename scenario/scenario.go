// Package scenario runs the scenarios of testdata/: text files that say in prose what they are about, what is given, and what comes
// of it. It is for tests.
//
//  1. A test says which files, and how to play one: [Files] plays a file as a whole, [Sections] one in txtar's form, [Blocks] one
//     scenario after the other of a file that has several, and [Answers] one whose answer lies in a file beside it.
//  2. Playing gives the same text with the answers filled in. It is compared with what is there; with `go test -rewrite` it takes
//     its place (`make rewrite` does so everywhere). Read the difference as you would read code.
//
// Upstream are the tests beside each pure function; downstream is testdata. Real Kubernetes has tables in Go in their place.
package scenario

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios in testdata show now instead of comparing it")

// Files plays each file that the pattern names, in a test of its own.
func Files(t *testing.T, pattern string, play func(t *testing.T, text string) string) {
	t.Helper()
	each(t, pattern, func(t *testing.T, file, text string) {
		same(t, file, text, play(t, text))
	})
}

// Sections plays each file that the pattern names in txtar's form: play fills in the sections that are answers.
func Sections(t *testing.T, pattern string, play func(t *testing.T, sections []txtar.File)) {
	t.Helper()
	Files(t, pattern, func(t *testing.T, text string) string {
		archive := txtar.Parse([]byte(text))
		require.NotEmpty(t, archive.Files, "it has no section")
		play(t, archive.Files)
		return string(txtar.Format(archive))
	})
}

// Blocks plays each file that the pattern names as a row of scenarios with an empty line between two: a question, perhaps with
// prose after #, a line of dashes, and the answer.
func Blocks(t *testing.T, pattern string, answer func(t *testing.T, question string) string) {
	t.Helper()
	each(t, pattern, func(t *testing.T, file, text string) {
		var played []string
		for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
			question, _, _ := strings.Cut(block, "\n----")
			title, _, _ := strings.Cut(question, "\n")
			t.Run(strings.TrimLeft(title, "# "), func(t *testing.T) {
				got := question + "\n----\n" + strings.TrimSpace(answer(t, question))
				played = append(played, got)
				if !*rewrite {
					require.Equal(t, block, got)
				}
			})
		}
		if *rewrite {
			write(t, file, strings.Join(played, "\n\n")+"\n")
		}
	})
}

// Answers plays each file that the pattern names, whose answer is in the file of that name with ending .txt.
func Answers(t *testing.T, pattern string, answer func(t *testing.T, text string) string) {
	t.Helper()
	each(t, pattern, func(t *testing.T, file, text string) {
		beside := strings.TrimSuffix(file, filepath.Ext(file)) + ".txt"
		want, err := os.ReadFile(beside)
		if !*rewrite {
			require.NoError(t, err)
		}
		same(t, beside, string(want), answer(t, text))
	})
}

// each calls a test for each file, named after its path without testdata.
func each(t *testing.T, pattern string, test func(t *testing.T, file, text string)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files, "scenarios in %s", pattern)
	for _, file := range files {
		name := strings.NewReplacer("../", "", "testdata/", "").Replace(filepath.ToSlash(file))
		t.Run(strings.TrimSuffix(name, filepath.Ext(name)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			test(t, file, string(text))
		})
	}
}

// same compares what is in a file with what was played, or puts that in its place.
func same(t *testing.T, file, want, got string) {
	t.Helper()
	if *rewrite {
		write(t, file, got)
		return
	}
	require.Equal(t, want, got, "%s; go test with -rewrite writes what it shows now", file)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}
