package terminal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		most  int
		lines []string
	}{
		{"two words", 0, 0, []string{"two words"}},
		{"two words", 9, 0, []string{"two words"}},
		{"two words", 8, 0, []string{"two", "words"}},
		{"one two three four", 8, 0, []string{"one two", "three", "four"}},
		{"one two three four", 9, 2, []string{"one two", "three…"}},
		{"a /very/long/path that stays", 8, 0, []string{"a", "/very/long/path", "that", "stays"}},
		{"/very/long/path", 8, 0, []string{"/very/long/path"}},
		{"ältere Wörter", 6, 0, []string{"ältere", "Wörter"}},
		{"", 8, 0, []string{""}},
	} {
		require.Equal(t, c.lines, Wrap(c.text, c.width, c.most), "%q at %d", c.text, c.width)
	}
}

func TestWrapAll(t *testing.T) {
	require.Equal(t, []string{"a", "/very/lo", "ng/path", "stays"}, WrapAll("a /very/long/path stays", 8, 0))
	require.Equal(t, []string{"/very/long/path"}, WrapAll("/very/long/path", 0, 0))
}

func TestCut(t *testing.T) {
	require.Equal(t, "one two", Cut("one two", 7))
	require.Equal(t, "one two…", Cut("one two, three", 10))
	require.Equal(t, "one two three…", Cut("one two three four", 17))
	require.Equal(t, "a/name/that/has/no…", Cut("a/name/that/has/no/blank", 19))
	require.Equal(t, "all of it", Cut("all of it", 0))
}

// No word is lost by wrapping, and only a word that is wider than the terminal makes a line that is.
func TestWrapKeepsEveryWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zü…]{1,12}`), 1, 20).Draw(t, "words")
		width := rapid.IntRange(1, 30).Draw(t, "width")
		lines := Wrap(strings.Join(words, " "), width, 0)
		require.Equal(t, words, strings.Fields(strings.Join(lines, " ")))
		for _, line := range lines {
			require.True(t, Len(line) <= width || !strings.Contains(line, " "), "%q is wider than %d", line, width)
		}
	})
}

func TestLinesThatAreTooWide(t *testing.T) {
	out := &bytes.Buffer{}
	require.Same(t, out, Wrapped(out), "what is no terminal has no width")
	l := &lines{out: out, width: 24, fit: wrapLine}
	_, err := l.Write([]byte("history     revisions 1 to 126, the oldest 16m old\n  a note that is rather long\nshort\nno end"))
	require.NoError(t, err)
	require.Equal(t, "history     revisions 1\n            to 126, the\n            oldest 16m\n            old\n"+
		"  a note that is rather\n    long\nshort\n", out.String())
	_, err = l.Write([]byte(" yet\n"))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(out.String(), "short\nno end yet\n"))
}

func TestTheWidthIsTheTerminals(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("this machine gives no pseudo-terminal: %v", err)
	}
	defer func() { require.NoError(t, errors.Join(slave.Close(), master.Close())) }()
	require.NoError(t, pty.Setsize(slave, &pty.Winsize{Cols: 80, Rows: 24}))
	require.Equal(t, 80, Width(slave))
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.Zero(t, Width(file))
}

// Every column but the last is narrowed, and what does not fit even so is cut.
func TestColumns(t *testing.T) {
	out := &bytes.Buffer{}
	var starts []int
	for _, line := range []string{
		"REVISION   ACTOR                                      REASON",
		"12         root-ca-certificate-publisher-controller   a reason that is too long for this",
		"13         kubelet                                    short",
	} {
		if starts == nil {
			starts = startsOf(line)
		}
		out.WriteString(fitRow(line, starts, 40) + "\n")
	}
	require.Equal(t, "REVISION  ACTOR       REASON\n"+
		"12        root-ca-c…  a reason that is…\n"+
		"13        kubelet     short\n", out.String())
}
