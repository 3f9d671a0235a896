package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The chapters of docs/tour are what they say: each command in them is typed into one shell, from top to bottom, and prints
// what is shown. "…" stands for anything within a line, and alone for any number of lines; how many blanks are between two
// words does not count.
func TestTour(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the chapters are written for a POSIX shell")
	}
	chapters, err := filepath.Glob("../../docs/tour/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, chapters)
	for _, chapter := range chapters {
		t.Run(filepath.Base(chapter), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(chapter)
			require.NoError(t, err)
			typed := chapterOf(string(text))
			require.NotEmpty(t, typed)
			sh := startShell(t)
			for _, c := range typed {
				got := sh.run(t, c.line)
				if !patternOf(c.shown).MatchString(got) {
					t.Errorf("$ %s\nshall print\n%s\nand prints\n%s", c.line, c.shown, got)
				}
			}
		})
	}
}

// typedLine is one line that is typed, and what is shown of what it prints.
type typedLine struct{ line, shown string }

// chapterOf are the commands in the console blocks of a chapter.
func chapterOf(markdown string) []typedLine {
	var out []typedLine
	inside := false
	for line := range strings.SplitSeq(markdown, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			out = append(out, typedLine{line: line[2:]})
		case len(out) > 0:
			out[len(out)-1].shown += line + "\n"
		}
	}
	return out
}

// patternOf matches what is shown.
func patternOf(shown string) *regexp.Regexp {
	var out strings.Builder
	for line := range strings.Lines(shown) {
		if strings.TrimSpace(line) == "…" {
			out.WriteString(`(?:.*\n)*`)
			continue
		}
		var parts []string
		for part := range strings.SplitSeq(strings.Join(strings.Fields(line), " "), "…") {
			parts = append(parts, strings.ReplaceAll(regexp.QuoteMeta(part), " ", ` *`))
		}
		out.WriteString(` *` + strings.Join(parts, `.*`) + ` *\n`)
	}
	return regexp.MustCompile(`^` + out.String() + `$`)
}

func TestPatternOf(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		is             bool
	}{
		{"", "", true},
		{"", "x\n", false},
		{"a (1)\n", "a   (1)\n", true},
		{"a (1)\n", "a (2)\n", false},
		{"pod/web-… gone\n", "pod/web-x gone\n", true},
		{"…\nlast\n", "last\n", true},
		{"…\nlast\n", "1\n2\nlast\n", true},
		{"…\nlast\n", "1\nlast\n2\n", false},
	} {
		require.Equal(t, c.is, patternOf(c.shown).MatchString(c.printed), "%q shows %q", c.printed, c.shown)
	}
	require.Equal(t, []typedLine{{"a", "1\n2\n"}, {"b", ""}}, chapterOf("$ no\n```console\n$ a\n1\n2\n$ b\n```\n```sh\n$ no\n```\n"))
}

// shell is one that runs a whole chapter, so that its variables last.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

// startShell begins in an empty directory, with a home of its own. A cluster that is left ends with the test.
func startShell(t *testing.T) *shell {
	t.Helper()
	home := t.TempDir()
	env := append(os.Environ(), "HOME="+home, "MINIK_HOME=", "SUDO_UID=", "KUBECONFIG="+home+"/not-to-be-used")
	t.Cleanup(func() {
		for _, verb := range []string{"down", "reset"} {
			end := exec.Command("minik", verb)
			end.Env = env
			_ = end.Run() // it fails where there is none
		}
	})
	sh := exec.Command("sh")
	sh.Dir, sh.Env = home, env
	in, err := sh.StdinPipe()
	require.NoError(t, err)
	out, err := sh.StdoutPipe()
	require.NoError(t, err)
	sh.Stderr = sh.Stdout
	require.NoError(t, sh.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = sh.Wait() // with the exit code of its last command
	})
	return &shell{in: in, out: bufio.NewReader(out)}
}

const endOfOutput = "-- end of output --"

// run types a line and returns what it prints, on both of its outputs.
func (s *shell) run(t *testing.T, line string) string {
	t.Helper()
	_, err := fmt.Fprintf(s.in, "%s </dev/null\necho '%s'\n", line, endOfOutput)
	require.NoError(t, err)
	var out strings.Builder
	for {
		text, err := s.out.ReadString('\n')
		require.NoError(t, err, "%s: %s", line, out.String())
		if strings.TrimSpace(text) == endOfOutput {
			return out.String()
		}
		out.WriteString(text)
	}
}
