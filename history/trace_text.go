package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"minik.dev/journal"
)

// TraceText is the tree as text: a line for each step, or for each group of more steps than most that are alike. Each tree
// begins with the time of its first write, and says of the others how long after it and after their own cause they came.
func TraceText(roots []*journal.Step, most int, zone *time.Location) string {
	var text strings.Builder
	for i, root := range journal.Gather(roots, len(roots)) { // each root is a tree of its own
		if i > 0 {
			text.WriteByte('\n')
		}
		start := root.Steps[0].Time.Time
		fmt.Fprintf(&text, "%s  %s\n", start.In(zone).Format("2006-01-02 15:04:05.000 MST"), lostCauses(root.Steps[0]))
		root.Effects = journal.Gather(root.Steps[0].Effects, most)
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(table, "REVISION\tAFTER\tTOOK\tSTEP\n") // writes to memory do not fail
		traceLines(table, root, start, "", "")
		_ = table.Flush() // as above
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

// traceLines writes a group and what followed. The first indent is before its own line, the other before those below it.
func traceLines(table *tabwriter.Writer, g *journal.Group, start time.Time, indent, below string) {
	took := ""
	if g.Took().Most > 0 || indent != "" {
		took = spanText(g.Took())
	}
	_, _ = fmt.Fprintf(table, "%s\t+%s\t%s\t%s%s\n", numbersOf(g), spanText(g.Since(start)), took, indent, stepText(g))
	for i, effect := range g.Effects {
		if i == len(g.Effects)-1 {
			traceLines(table, effect, start, below+"└ ", below+"  ")
		} else {
			traceLines(table, effect, start, below+"├ ", below+"│ ")
		}
	}
}

// stepText is who did what to what, and why.
func stepText(g *journal.Group) string {
	first := g.Steps[0]
	text := ActorOf(first.Revision) + " " + doing(first.Verb) + " "
	if n := len(g.Steps); n > 1 {
		text += thousands(n) + " "
	}
	text += commonName(g)
	if !slices.ContainsFunc(g.Steps, func(s *journal.Step) bool { return !s.Clock }) {
		text += " (by the clock)"
	}
	if first.Reason == "" {
		return text
	}
	for _, s := range g.Steps[1:] {
		if s.Reason != first.Reason {
			return text + ": " + cut(first.Reason, maxReason) + ", and the like"
		}
	}
	return text + ": " + cut(first.Reason, maxReason)
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
func commonName(g *journal.Group) string {
	name := PathOf(g.Steps[0].Revision)
	begin, several := g.Steps[0].Name, false
	for _, s := range g.Steps[1:] {
		if s.Name != g.Steps[0].Name {
			several = true
		}
		for !strings.HasPrefix(s.Name, begin) {
			begin = begin[:len(begin)-1]
		}
	}
	if !several {
		return name
	}
	common := *g.Steps[0].Revision
	common.Name = begin + "*"
	return PathOf(&common)
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
