package why

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"minik.dev/scheduler/framework"
	"minik.dev/terminal"
)

// shownNodes is how many of the nodes that fit are shown unless all are.
const shownNodes = 5

// Text is the scheduler's table.
func (a *podAnswer) Text(all bool, width int) string {
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
		printScores(out, a.Fit, all, width)
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

// printScores shows a line a node and a column a plugin: its score of 0 to 100, times its weight. The sum is the total. Where that is
// wider than the terminal, it shows a line a plugin and a column a node.
func printScores(out io.Writer, nodes []framework.NodeExplanation, all bool, width int) {
	shown := nodes
	if !all {
		shown = nodes[:min(len(nodes), shownNodes)]
	}
	head := []string{"NODE", "TOTAL"}
	for _, s := range nodes[0].Scores {
		head = append(head, fmt.Sprintf("%s ×%d", s.Plugin, s.Weight))
	}
	rows := [][]string{head}
	for _, n := range shown {
		row := []string{n.Node, fmt.Sprint(n.Total)}
		for _, s := range n.Scores {
			row = append(row, fmt.Sprint(s.Score))
		}
		rows = append(rows, row)
	}
	text := tableText(rows)
	if !fits(text, width) {
		text = tableText(turned(rows))
		for len(rows) > 2 && !all && !fits(text, width) {
			rows = rows[:len(rows)-1]
			text = tableText(turned(rows))
		}
	}
	_, _ = io.WriteString(out, text)
	if left := len(nodes) - len(rows) + 1; left > 0 {
		_, _ = fmt.Fprintf(out, "and %d more that fit; --all shows them\n", left)
	}
}

func tableText(rows [][]string) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // to memory
	return text.String()
}

// fits says that no line of a text is wider than the terminal.
func fits(text string, width int) bool {
	return width <= 0 || !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return terminal.Len(line) > width })
}

// turned is the table with its lines as columns.
func turned(rows [][]string) [][]string {
	out := make([][]string, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			out[i] = append(out[i], cell)
		}
	}
	return out
}

// printRejected counts the nodes by what counts against them, or shows each with everything that does.
func printRejected(out io.Writer, nodes []framework.NodeExplanation, all bool) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	defer func() { _ = table.Flush() }() // to memory
	if all {
		_, _ = fmt.Fprintln(table, "NODE\tFILTER\tSAYS")
		for _, n := range nodes {
			for _, r := range n.Rejections {
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", n.Node, r.Plugin, r.Says())
			}
		}
		return
	}
	counts := map[string]int{}
	for _, n := range nodes {
		counts[n.Rejections[0].Plugin+"\t"+n.Rejections[0].Says()]++
	}
	_, _ = fmt.Fprintln(table, "REJECTED\tFILTER\tSAYS")
	for _, says := range slices.Sorted(maps.Keys(counts)) {
		_, _ = fmt.Fprintf(table, "%d\t%s\n", counts[says], says)
	}
}
