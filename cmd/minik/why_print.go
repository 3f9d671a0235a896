package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"minik.dev/cluster"
)

// shownNodes is how many of the nodes that fit are shown unless all are.
const shownNodes = 5

// printPod shows the scheduler's table.
func printPod(out io.Writer, a *cluster.PodAnswer, all bool) {
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
}

// printScores shows a line a node and a column a plugin: its score of 0 to 100, times its weight. The sum is the total.
func printScores(out io.Writer, nodes []cluster.FittingNode, all bool) {
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
	_ = table.Flush() // to a terminal
	if left := len(nodes) - shownNodes; left > 0 && !all {
		_, _ = fmt.Fprintf(out, "and %d more that fit; --all shows them\n", left)
	}
}

// printRejected counts the nodes by what counts against them, or shows each with everything that does.
func printRejected(out io.Writer, nodes []cluster.RejectedNode, all bool) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	defer func() { _ = table.Flush() }() // to a terminal
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

// printOpinions shows what is wanted, what is, and what each controller would do about the difference.
func printOpinions(out io.Writer, object *unstructured.Unstructured, opinions []cluster.Opinion) {
	_, _ = fmt.Fprintf(out, "wanted    %s\nobserved  %s\n", wantedLine(object), observedLine(object))
	for _, o := range opinions {
		_, _ = fmt.Fprintln(out, o.Controller)
		for _, line := range intentLines(o.Intents) {
			_, _ = fmt.Fprintf(out, "  %s\n", line)
		}
		switch {
		case o.Failure != "":
			_, _ = fmt.Fprintf(out, "  comes no further: %s\n", o.Failure)
		case len(o.Intents) == 0:
			_, _ = fmt.Fprintln(out, "  nothing is to be done")
		}
		if o.Again.Duration > 0 {
			_, _ = fmt.Fprintf(out, "  looks again in %s\n", o.Again.Duration)
		}
	}
}

// intentLines are the writes, with equal ones counted.
func intentLines(intents []cluster.Intent) []string {
	var lines []string
	counts := map[string]int{}
	for _, i := range intents {
		object := i.Resource
		if i.Name != "" {
			object += "/" + i.Name
		}
		if i.Subresource != "" {
			object += "/" + i.Subresource
		}
		line := i.Verb + " " + object
		if i.Reason != "" {
			line += ": " + i.Reason
		}
		if counts[line]++; counts[line] == 1 {
			lines = append(lines, line)
		}
	}
	for n, line := range lines {
		if counts[line] > 1 {
			lines[n] = fmt.Sprintf("%d times %s", counts[line], line)
		}
	}
	return lines
}

// wantedLine says in short what the spec asks for: its numbers, texts and truths.
func wantedLine(u *unstructured.Unstructured) string {
	var parts []string
	if at := u.GetDeletionTimestamp(); at != nil {
		parts = append(parts, "to be deleted since "+at.UTC().Format("15:04:05"))
	}
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	return line(append(parts, scalars(spec)...))
}

// observedLine says in short what the status reports, with its conditions.
func observedLine(u *unstructured.Unstructured) string {
	status, _, _ := unstructured.NestedMap(u.Object, "status")
	parts := scalars(status)
	conditions, _, _ := unstructured.NestedSlice(status, "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		parts = append(parts, fmt.Sprintf("%v is %v (%v)", condition["type"], condition["status"], condition["reason"]))
	}
	return line(parts)
}

// scalars are the fields that are no lists and no maps.
func scalars(fields map[string]any) []string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch value := fields[key].(type) {
		case map[string]any, []any, nil:
		default:
			parts = append(parts, fmt.Sprintf("%s %v", key, value))
		}
	}
	return parts
}

func line(parts []string) string {
	if len(parts) == 0 {
		return "nothing special"
	}
	return strings.Join(parts, ", ")
}
