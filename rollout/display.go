package rollout

import (
	"fmt"
	"io"
	"strings"

	"minik.dev/terminal"
)

// display shows a rollout: on a terminal one line a workload, written over in place. Elsewhere, where nothing can be
// written over, a line when a workload is available or has failed, and now and then one for those that are waited for.
type display struct {
	out   io.Writer
	width int               // of the terminal in columns; 0 means that out is no terminal
	lines int               // on the terminal, to be written over
	shown map[string]string // elsewhere: the last line of each workload
}

func newDisplay(out io.Writer) *display {
	return &display{out: out, width: terminal.Width(out), shown: map[string]string{}}
}

// show brings the display up to date.
func (d *display) show(workloads []Workload) {
	if d.width > 0 {
		now := lines(workloads)
		_, _ = io.WriteString(d.out, redraw(d.lines, now, d.width))
		d.lines = len(now)
		return
	}
	d.print(workloads, false)
}

// remind says what is waited for, where that has not been said already.
func (d *display) remind(workloads []Workload) {
	if d.width == 0 {
		d.print(workloads, true)
	}
}

func (d *display) print(workloads []Workload, waitingToo bool) {
	for i, line := range lines(workloads) {
		w := workloads[i]
		if d.shown[w.Name] != line && (waitingToo || w.State != Waiting) {
			_, _ = io.WriteString(d.out, line+"\n")
			d.shown[w.Name] = line
		}
	}
}

// lines renders the rollout, one line a workload, in columns.
func lines(workloads []Workload) []string {
	width := 0
	for _, w := range workloads {
		width = max(width, len(w.Name))
	}
	var out []string
	for _, w := range workloads {
		mark := map[State]string{Waiting: "…", Available: "✓", Failed: "✗"}[w.State]
		line := fmt.Sprintf("  %s %-*s  %d/%d", mark, width, w.Name, w.Ready, w.Want)
		if w.Why != "" {
			line += "  " + strings.Join(strings.Fields(w.Why), " ")
		}
		out = append(out, line)
	}
	return out
}

// redraw goes back over the lines written before and writes the new ones, cut to the terminal's width: a line that wraps
// would be two lines on the way back.
func redraw(before int, now []string, width int) string {
	var text strings.Builder
	if before > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", before)
	}
	for _, line := range now {
		text.WriteString("\x1b[2K" + terminal.Cut(line, width) + "\n")
	}
	text.WriteString("\x1b[J")
	return text.String()
}
