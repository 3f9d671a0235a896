// Package terminal fits what is read by people into the width of their terminal. What is piped, or written to a file, is as wide as
// it likes.
//
//  1. [Width] says how wide the terminal is that something is written to.
//  2. [Wrap] breaks a text at its words, and [Cut] ends one with "…" at a word. A word that is longer than a line, as a path or a
//     name, stays in one piece: it is to be copied.
//  3. [Wrapped] is a writer that wraps every line that comes, [Columns] one that makes the columns of kubectl's tables narrower.
//
// Upstream of it are history and why, which lay out tables by a width, and the command line, which asks for it.
package terminal

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Width is how many columns the terminal has that out is; 0 where it is none.
func Width(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Len is how many columns a text takes.
func Len(s string) int { return utf8.RuneCountInString(s) }

// Wrap breaks a text into lines of at most width columns, at its words; a width of 0 leaves it whole. Of more lines than most, which
// 0 does not bound, the last one ends with "…".
func Wrap(text string, width, most int) []string {
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	for Len(text) > width {
		if most > 0 && len(lines) == most-1 {
			return append(lines, Cut(text, width))
		}
		at := lastBlank(text, width)
		if at <= 0 {
			break
		}
		lines = append(lines, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}

// WrapAll is Wrap for what stands beside something: there no line may be wider, so that a word is broken which is.
func WrapAll(text string, width, most int) []string {
	var words []string
	for _, word := range strings.Split(text, " ") {
		for width > 0 && Len(word) > width {
			runes := []rune(word)
			words, word = append(words, string(runes[:width])), string(runes[width:])
		}
		words = append(words, word)
	}
	return Wrap(strings.Join(words, " "), width, most)
}

// lastBlank is where the text can be broken so that what comes before takes at most width columns; else the first place where it can
// be broken at all, or -1.
func lastBlank(text string, width int) int {
	column, last := 0, -1
	for i, r := range text {
		if r == ' ' && i > 0 {
			if column > width && last > 0 {
				return last
			}
			last = i
			if column > width {
				return last
			}
		}
		column++
	}
	if column > width {
		return last
	}
	return -1
}

// Cut is as much of the text as takes at most width columns, ended at a word with "…" where that is not all. A width of 0 or less is
// no bound.
func Cut(text string, width int) string {
	if width <= 0 || Len(text) <= width {
		return text
	}
	begin := string([]rune(text)[:max(width-1, 0)])
	if at := strings.LastIndexByte(begin, ' '); at > Len(begin)/2 {
		begin = begin[:at]
	}
	return strings.TrimRight(begin, " ,;:") + "…"
}

// Wrapped is out, or where that is a terminal a writer that wraps what is too wide for it. What follows a line's first word and two
// blanks is a column, and stays one; else the lines that follow are indented.
func Wrapped(out io.Writer) io.Writer { return fitting(out, wrapLine) }

func wrapLine(line string, width int) string {
	hang := hangOf(line)
	if Len(line) <= width || hang > width/2 {
		return line
	}
	runes := []rune(line)
	return string(runes[:hang]) + strings.Join(Wrap(string(runes[hang:]), width-hang, 0), "\n"+strings.Repeat(" ", hang))
}

// hangOf is how far the lines are indented into which a line is broken.
func hangOf(line string) int {
	indent := Len(line) - Len(strings.TrimLeft(line, " "))
	rest := string([]rune(line)[indent:])
	if label, _, ok := strings.Cut(rest, "  "); ok && Len(label) < 24 && strings.Count(label, " ") < 3 {
		after := string([]rune(rest)[Len(label):])
		return indent + Len(label) + Len(after) - Len(strings.TrimLeft(after, " "))
	}
	return indent + 2
}

// lines is a writer that fits one line after the other.
type lines struct {
	out   io.Writer
	width int
	fit   func(line string, width int) string
	begun []byte // a line whose end has not come yet
}

func fitting(out io.Writer, fit func(string, int) string) io.Writer {
	width := Width(out)
	if width == 0 {
		return out
	}
	return &lines{out: out, width: width, fit: fit}
}

// Write keeps what has no end yet for the next call.
func (l *lines) Write(text []byte) (int, error) {
	l.begun = append(l.begun, text...)
	for {
		at := bytes.IndexByte(l.begun, '\n')
		if at < 0 {
			return len(text), nil
		}
		line := l.fit(string(l.begun[:at]), l.width)
		l.begun = l.begun[at+1:]
		if _, err := io.WriteString(l.out, line+"\n"); err != nil {
			return 0, err
		}
	}
}
