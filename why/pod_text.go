package why

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"minik.dev/scheduler/framework"
)

// shownNodes is how many of the nodes that fit are shown unless all are.
const shownNodes = 5

// Text is the scheduler's table.
func (a *podAnswer) Text(all bool) string {
	out := &strings.Builder{} // writes to memory do not fail
	_, _ = fmt.Fprintln(out, a.About)
	for _, note := range a.Notes {
		_, _ = fmt.Fprintf(out, "  %s\n", note)
	}
	if a.Node != "" {
		_, _ = fmt.Fprintf(out, "→ %s: %s\n", a.Node, a.Sentence)
	} else {
		_, _ = fmt.Fprintf(out, "→ no node: %s\n", a.Sentence)
	}
	if len(a.Fit) > 0 {
		_, _ = fmt.Fprintln(out)
		printScores(out, a.Fit, all)
	}
	if len(a.Rejected) > 0 {
		_, _ = fmt.Fprintln(out)
		printRejected(out, a.Rejected, all)
	}
	if a.Next != nil {
		_, _ = fmt.Fprintf(out, "\nkubelet of %s\n→ %s: %s\n", a.Next.Node, a.Next.Step, a.Next.Reason)
		for _, unknown := range a.Next.Unknown {
			_, _ = fmt.Fprintf(out, "  %s\n", unknown)
		}
	}
	for i, change := range a.Changes {
		if i == 0 {
			_, _ = fmt.Fprint(out, "\nit would fit with one change:\n")
		}
		command := ""
		if change.Command != "" {
			command = fmt.Sprintf(" (`minik %s`)", change.Command)
		}
		_, _ = fmt.Fprintf(out, "  %s%s: then it goes to %s\n", change.Change, command, change.Node)
		if !all {
			break
		}
	}
	return out.String()
}

// printScores shows a line a node and a column a plugin: its score of 0 to 100, times its weight. The sum is the total.
func printScores(out io.Writer, nodes []framework.NodeExplanation, all bool) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	header := []string{"NODE", "TOTAL"}
	for _, s := range nodes[0].Scores {
		header = append(header, fmt.Sprintf("%s ×%d", s.Plugin, s.Weight))
	}
	_, _ = fmt.Fprintln(table, strings.Join(header, "\t"))
	for i, n := range nodes {
		if i == shownNodes && !all {
			break
		}
		row := []string{n.Node, fmt.Sprint(n.Total)}
		for _, s := range n.Scores {
			row = append(row, fmt.Sprint(s.Score))
		}
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // to memory
	if left := len(nodes) - shownNodes; left > 0 && !all {
		_, _ = fmt.Fprintf(out, "and %d more that fit; --all shows them\n", left)
	}
}

// printRejected counts the nodes by what counts against them, or shows each with everything that does.
func printRejected(out io.Writer, nodes []framework.NodeExplanation, all bool) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	defer func() { _ = table.Flush() }() // to memory
	if all {
		_, _ = fmt.Fprintln(table, "NODE\tFILTER\tSAYS")
		for _, n := range nodes {
			for _, r := range n.Rejections {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", n.Node, r.Plugin, strings.Join(r.Reasons, ", "))
			}
		}
		return
	}
	counts := map[string]int{}
	for _, n := range nodes {
		counts[n.Rejections[0].Plugin+"\t"+strings.Join(n.Rejections[0].Reasons, ", ")]++
	}
	_, _ = fmt.Fprintln(table, "REJECTED\tFILTER\tSAYS")
	for _, says := range slices.Sorted(maps.Keys(counts)) {
		_, _ = fmt.Fprintf(table, "%d\t%s\n", counts[says], says)
	}
}
