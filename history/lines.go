package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"

	"minik.dev/api"
	"minik.dev/journal"
	"minik.dev/terminal"
)

// Line is one revision and what it changed.
type Line struct {
	Revision api.Revision
	Change   string // "" where that is not kept any more
}

// Lines are the newest revisions with what each changed, of the object or, without one, of all; a limit of 0 is none.
func (r *Reader) Lines(ctx context.Context, object *journal.Object, limit int) ([]Line, error) {
	var selector fields.Selector
	if object != nil {
		selector = selecting(*object)
	}
	var lines []Line
	err := r.revisions(ctx, selector, limit, func(revision api.Revision) bool {
		lines = append(lines, Line{Revision: revision})
		return limit == 0 || len(lines) < limit
	})
	switch {
	case err != nil:
		return nil, err
	case object != nil && len(lines) == 0:
		return nil, unknownObject(*object)
	}
	return lines, r.fillChanges(ctx, lines)
}

// asked is how many questions are on their way at the same time.
const asked = 8

// fillChanges finds out what each revision changed.
func (r *Reader) fillChanges(ctx context.Context, lines []Line) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i := range lines {
		line := &lines[i]
		group.Go(func() error {
			n, err := ParseRevision(line.Revision.ObjectMeta.Name)
			if err != nil {
				return err
			}
			object := journal.ObjectOf(&line.Revision)
			after, err := r.state(ctx, object, n)
			if err == nil {
				var before map[string]any
				before, err = r.state(ctx, object, n-1)
				line.Change = changeOf(before, after, err == nil)
				if line.Revision.Verb == journal.RestoreVerb {
					line.Change = "the whole store"
				}
			}
			if apierrors.IsResourceExpired(err) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
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

// Text is the table of `minik history`. The objects are named where there may be several. Where the table is wider than the
// terminal, what was changed and why are below each revision, each in one line; a width of 0 is no bound.
func Text(lines []Line, named bool, now time.Time, width int) string {
	table := textTable(lines, named, now)
	if width > 0 && slices.ContainsFunc(strings.Split(table, "\n"), func(line string) bool { return terminal.Len(line) > width }) {
		return stacked(lines, named, now, width)
	}
	return table
}

// stacked has three lines for each revision.
func stacked(lines []Line, named bool, now time.Time, width int) string {
	var heads strings.Builder
	table := tabwriter.NewWriter(&heads, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "REVISION\tTIME\tACTOR\tOBJECT\n") // writes to memory do not fail
	for _, l := range lines {
		object := ""
		if named {
			object = PathOf(&l.Revision)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", l.Revision.ObjectMeta.Name, clockTime(l.Revision.Time.Time, now), ActorOf(&l.Revision), object)
	}
	_ = table.Flush() // as above
	var text strings.Builder
	for i, head := range strings.Split(strings.TrimSuffix(heads.String(), "\n"), "\n") {
		if i == 0 {
			if !named {
				head = strings.TrimSuffix(head, "OBJECT")
			}
			text.WriteString(terminal.Cut(head, width) + "\n")
			continue
		}
		text.WriteString(terminal.Cut(strings.TrimRight(head, " "), width) + "\n")
		l := lines[i-1]
		for _, below := range []string{dashed(l.Change), l.Revision.Reason} {
			if below != "" {
				text.WriteString(stackIndent + terminal.Cut(below, width-len(stackIndent)) + "\n")
			}
		}
	}
	return trimLines(text.String())
}

// stackIndent is before what belongs to a revision, below it.
const stackIndent = "    "

func textTable(lines []Line, named bool, now time.Time) string {
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
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\t%s\n", r.ObjectMeta.Name, clockTime(r.Time.Time, now), ActorOf(r),
			object(PathOf(r)), dashed(cut(l.Change, maxChange)), r.Reason)
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

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
