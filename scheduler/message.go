package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// message says why the pod fits nowhere, as upstream does: "0/3 nodes are available: 1 Too many pods, 2 Insufficient
// cpu." followed by what preemption found.
func message(s *shape, snapshot *Snapshot, groups []*group, standings []standing, d Decision) string {
	if d.Nodes == 0 {
		return "no nodes available to schedule pods"
	}
	reasons := map[string]int{}
	for _, r := range d.Rejections {
		for _, reason := range r.Reasons {
			reasons[reason] += r.Nodes
		}
	}
	return histogram(d.Nodes, reasons) + " preemption: " + preemption(s, snapshot, groups, standings, d)
}

// preemption says what evicting pods would bring. This scheduler evicts none, so where a pod of lower priority could
// make room it says that, and not that there was none.
func preemption(s *shape, snapshot *Snapshot, groups []*group, standings []standing, d Decision) string {
	if !s.preempts {
		return "not eligible due to preemptionPolicy=Never."
	}
	nodes := snapshot.Nodes()
	reasons := map[string]int{}
	for g, group := range groups {
		if standings[g].rejection.Unresolvable {
			reasons["Preemption is not helpful for scheduling"] += group.size
			continue
		}
		for slot := range group.members.all {
			if nodes[slot].hasLower(s.priority) {
				reasons["node(s) had pods of lower priority, and minik evicts none of them"]++
			} else {
				reasons["No preemption victims found for incoming pod"]++
			}
		}
	}
	return histogram(d.Nodes, reasons)
}

func histogram(nodes int, reasons map[string]int) string {
	var parts []string
	for reason, count := range reasons {
		if count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, reason))
		}
	}
	slices.Sort(parts)
	return fmt.Sprintf("0/%d nodes are available: %s.", nodes, strings.Join(parts, ", "))
}
