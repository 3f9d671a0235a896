package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"minik.dev/journal"
	"minik.dev/terminal"
)

// TraceStyle is how a trace is written.
type TraceStyle struct {
	// Most is how many steps that are alike are shown one by one.
	Most int
	// Width is the terminal's, in columns; 0 is no bound. Namespace is left out of names there, as all but everything is in it.
	Width     int
	Namespace string
	// Whole says that reasons are not cut.
	Whole bool
	Zone  *time.Location
}

// TraceText is the tree as text: a line for each step, or for each group of more steps than most that are alike. Each tree
// begins with the time of its first write, and says of the others how long after it and after their own cause they came.
func TraceText(roots []*journal.Step, style TraceStyle) string {
	var text strings.Builder
	gathered := false
	for i, root := range journal.Gather(roots, len(roots)) { // each root is a tree of its own
		if i > 0 {
			text.WriteByte('\n')
		}
		start := root.Steps[0].Time.Time
		fmt.Fprintf(&text, "%s  %s\n", start.In(style.Zone).Format("2006-01-02 15:04:05.000 MST"), lostCauses(root.Steps[0]))
		root.Effects = journal.Gather(root.Steps[0].Effects, style.Most)
		table := traceTable{style: style, start: start}
		table.add(root, "", "")
		table.write(&text)
		gathered = gathered || table.gathered
	}
	if gathered && style.Width > 0 {
		text.WriteString("\nSteps that are alike are one line; --full shows each.\n")
	}
	return trimLines(text.String())
}

// lostCauses says why a tree begins where it does.
func lostCauses(root *journal.Step) string {
	switch {
	case len(root.Lost) > 0:
		return "because of revision " + strings.Join(root.Lost, ", ") +
			", of which there is no entry: a Lease or an Event, or before what is kept"
	case len(root.Causes) > 0:
		return "by the clock"
	}
	return "from outside"
}

// traceRow is a line of a tree. Indent is before its text, Below before that of the lines under it.
type traceRow struct {
	revision, after, took string
	indent, below, text   string
}

// traceTable are the lines of one tree.
type traceTable struct {
	style    TraceStyle
	start    time.Time
	rows     []traceRow
	gathered bool
}

// add adds a group and what followed. The first indent is before its own line, the other before those below it.
func (t *traceTable) add(g *journal.Group, indent, below string) {
	row := traceRow{revision: numbersOf(g), after: "+" + spanText(g.Since(t.start)), indent: indent, below: below + "  ", text: t.stepText(g)}
	if g.Took().Most > 0 || indent != "" {
		row.took = spanText(g.Took())
	}
	if len(g.Effects) > 0 {
		row.below = below + "│ "
	}
	t.rows = append(t.rows, row)
	t.gathered = t.gathered || len(g.Steps) > 1
	for i, effect := range g.Effects {
		if i == len(g.Effects)-1 {
			t.add(effect, below+"└ ", below+"  ")
		} else {
			t.add(effect, below+"├ ", below+"│ ")
		}
	}
}

// linesOfAStep is how many lines a step takes at most where the width is bounded.
const linesOfAStep = 2

// narrow is the width, in columns, below which a tree does not say how long each step took: it follows from the column AFTER.
const narrow = 100

// write lays the lines out as a table. Where the width is bounded, what does not fit goes on below, under the branches of the tree.
func (t *traceTable) write(text *strings.Builder) {
	rows := append([]traceRow{{revision: "REVISION", after: "AFTER", took: "TOOK", text: "STEP"}}, t.rows...)
	if t.style.Width > 0 && t.style.Width < narrow {
		for i := range rows {
			rows[i].took = ""
			rows[i].after, _, _ = strings.Cut(rows[i].after, "…")
		}
	}
	var widths [3]int
	for _, row := range rows {
		for i, cell := range []string{row.revision, row.after, row.took} {
			widths[i] = max(widths[i], terminal.Len(cell))
		}
	}
	for _, row := range rows {
		left := ""
		for i, cell := range []string{row.revision, row.after, row.took} {
			if widths[i] > 0 {
				left += cell + strings.Repeat(" ", widths[i]-terminal.Len(cell)+2)
			}
		}
		lines := []string{row.text}
		if t.style.Width > 0 && row.text != "STEP" {
			lines = terminal.WrapAll(row.text, max(t.style.Width-terminal.Len(left)-terminal.Len(row.below), minStep), t.most())
		}
		text.WriteString(left + row.indent + lines[0] + "\n")
		for _, line := range lines[1:] {
			text.WriteString(strings.Repeat(" ", terminal.Len(left)) + row.below + line + "\n")
		}
	}
}

// minStep is how many columns a step has at least, however deep in the tree it is.
const minStep = 24

// most is how many lines a step takes; 0 is no bound.
func (t *traceTable) most() int {
	if t.style.Whole {
		return 0
	}
	return linesOfAStep
}

// stepText is who did what to what, and why.
func (t *traceTable) stepText(g *journal.Group) string {
	first := g.Steps[0]
	text := ActorOf(first.Revision) + " " + doing(first.Verb) + " " + t.objectText(g)
	if !slices.ContainsFunc(g.Steps, func(s *journal.Step) bool { return !s.Clock }) {
		text += " (by the clock)"
	}
	if first.Reason == "" {
		return text
	}
	reason := first.Reason
	if !t.style.Whole {
		reason = cut(reason, maxReason)
	}
	for _, s := range g.Steps[1:] {
		if s.Reason != first.Reason {
			return text + ": " + reason + ", and the like"
		}
	}
	return text + ": " + reason
}

// objectText is what the group wrote: its name, "3 pods alike, web-*", or how often.
func (t *traceTable) objectText(g *journal.Group) string {
	name, several := commonName(g)
	if t.style.Width > 0 {
		name = strings.TrimPrefix(name, t.style.Namespace+"/")
	}
	switch n := len(g.Steps); {
	case n == 1:
		return name
	case several:
		return fmt.Sprintf("%s %s alike, %s", thousands(n), g.Steps[0].Resource, name)
	default:
		return fmt.Sprintf("%s %s times", name, thousands(n))
	}
}

// doing is the verb as somebody does it.
func doing(verb string) string {
	if verb == "patch" {
		return "patches"
	}
	return verb + "s"
}

// maxReason bounds a reason in the tree, in runes. The JSON has all of it.
const maxReason = 120

// cut is the beginning of a text that is too long.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// commonName is the name of what the group wrote: what the names begin with, where there are several.
func commonName(g *journal.Group) (name string, several bool) {
	name = PathOf(g.Steps[0].Revision)
	begin := g.Steps[0].Name
	for _, s := range g.Steps[1:] {
		if s.Name != g.Steps[0].Name {
			several = true
		}
		for !strings.HasPrefix(s.Name, begin) {
			begin = begin[:len(begin)-1]
		}
	}
	if !several {
		return name, false
	}
	common := *g.Steps[0].Revision
	common.Name = begin + "*"
	return PathOf(&common), true
}

func numbersOf(g *journal.Group) string {
	first, last := g.Steps[0], g.Steps[len(g.Steps)-1]
	if first == last {
		return strconv.FormatInt(first.Number, 10)
	}
	return fmt.Sprintf("%d…%d", first.Number, last.Number)
}

func spanText(s journal.Span) string {
	if least, most := shortTime(s.Least), shortTime(s.Most); least != most {
		return least + "…" + most
	}
	return shortTime(s.Least)
}

// shortTime is a duration in three digits or so.
func shortTime(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0ms"
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// thousands writes 3000 as 3,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
