package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// display shows a rollout: on a terminal one line a workload, written over in place; elsewhere a line for each change.
type display struct {
	out   io.Writer
	width int // of the terminal in columns; 0 means that out is no terminal
	shown []string
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			d.width = width
		}
	}
	return d
}

// show brings the display up to date.
func (d *display) show(workloads []workload) {
	lines := rolloutLines(workloads)
	text := changedLines(d.shown, lines)
	if d.width > 0 {
		text = redraw(len(d.shown), lines, d.width)
	}
	d.shown = lines
	_, _ = io.WriteString(d.out, text)
}

// rolloutLines renders the rollout, one line a workload, in columns.
func rolloutLines(workloads []workload) []string {
	width := 0
	for _, w := range workloads {
		width = max(width, len(w.Name))
	}
	var lines []string
	for _, w := range workloads {
		mark := map[state]string{waiting: "…", available: "✓", failed: "✗"}[w.State]
		line := fmt.Sprintf("  %s %-*s  %d/%d", mark, width, w.Name, w.Ready, w.Want)
		if w.Why != "" {
			line += "  " + strings.Join(strings.Fields(w.Why), " ")
		}
		lines = append(lines, line)
	}
	return lines
}

// changedLines is what is printed where nothing can be written over: the lines that were not there before.
func changedLines(before, now []string) string {
	was := map[string]bool{}
	for _, line := range before {
		was[line] = true
	}
	var text strings.Builder
	for _, line := range now {
		if !was[line] {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// redraw goes back over the lines written before and writes the new ones, cut to the terminal's width: a line that wraps
// would be two lines on the way back.
func redraw(before int, now []string, width int) string {
	var text strings.Builder
	if before > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", before)
	}
	for _, line := range now {
		if utf8.RuneCountInString(line) > width {
			line = string([]rune(line)[:max(width-1, 0)]) + "…"
		}
		text.WriteString("\x1b[2K" + line + "\n")
	}
	text.WriteString("\x1b[J")
	return text.String()
}
