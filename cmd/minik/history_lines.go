package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"minik.dev/api"
	"minik.dev/journal"
)

// historyLine is one revision and what it changed.
type historyLine struct {
	Revision api.Revision
	Change   string // "" where that is not kept any more
}

// mostChanges is how many changed fields a line names.
const mostChanges = 3

// maxChange bounds the changes in a line, in runes: `minik history diff` shows all.
const maxChange = 100

// changeOf is what a write did, in one line. known says that the state before it is.
func changeOf(before, after map[string]any, known bool) string {
	switch {
	case !known:
		return ""
	case before == nil && after == nil:
		return "nothing is left of it"
	case before == nil:
		return "created"
	case after == nil:
		return "deleted"
	}
	changes := journal.Difference(before, after)
	if len(changes) == 0 {
		return "who manages which field"
	}
	return journal.Line(changes, mostChanges)
}

// renderHistory is the table of `minik history`. The objects are named where there may be several.
func renderHistory(lines []historyLine, named bool, now time.Time) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	object := func(s string) string {
		if named {
			return s + "\t"
		}
		return ""
	}
	_, _ = fmt.Fprintf(table, "REVISION\tTIME\tACTOR\t%sCHANGE\tREASON\n", object("OBJECT")) // writes to memory do not fail
	for _, l := range lines {
		r := &l.Revision
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\t%s\n", r.ObjectMeta.Name, clockTime(r.Time.Time, now), actorOf(r),
			object(objectName(r)), dashed(cut(l.Change, maxChange)), r.Reason)
	}
	_ = table.Flush() // as above
	return trimLines(text.String())
}

// trimLines takes the blanks at the ends of lines away, which the columns leave where the last is empty.
func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// clockTime is the time of day, with the date where that is another day.
func clockTime(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

// actorOf is who wrote, in one word or kubectl's own two.
func actorOf(r *api.Revision) string {
	for _, s := range []string{r.Actor.Command, r.Actor.Component, r.Actor.User} {
		if s != "" {
			return s
		}
	}
	return "unknown"
}

// objectName is what was written: namespace, resource, name and subresource.
func objectName(r *api.Revision) string {
	parts := []string{r.Resource, r.Name}
	if r.Namespace != "" {
		parts = append([]string{r.Namespace}, parts...)
	}
	if r.Subresource != "" {
		parts = append(parts, r.Subresource)
	}
	return strings.Join(parts, "/")
}

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
