package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// explainFailure says why the pod fits nowhere, as upstream does: "0/3 nodes are available: 1 Too many pods, 2
// Insufficient cpu." Then it tries to make room, and adds why that does not help, where it does not.
func (d *decider) explainFailure(made *Decision, standings []standing) {
	if made.Nodes == 0 {
		made.Message = "no nodes available to schedule pods"
		return
	}
	reasons := map[string]int{}
	for _, r := range made.Rejections {
		for _, reason := range r.Reasons {
			reasons[reason] += r.Nodes
		}
	}
	made.Message = histogram(made.Nodes, reasons)
	if r := d.shape.volumes.refused; r != nil {
		made.Message = fmt.Sprintf("0/%d nodes are available: %s.", made.Nodes, r.Reasons[0])
	}
	for _, postFilter := range d.profile.postFilters {
		*made = postFilter(*d, *made, standings)
	}
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
