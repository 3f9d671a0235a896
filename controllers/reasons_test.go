package controllers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/controllers/controllertest"
)

// decision is one line of a scenario's answer that is written somewhere: what is done, and the reason that is given.
type decision struct{ action, reason, where string }

var (
	// planned is a line of a plan that names its reasons one by one: "create 2: ReplicaSet web wants 3 pods, has 1".
	planned = regexp.MustCompile(`^((?:create|update|delete) \S+(?: of size \d+| from \d+ to \d+)?): (.*)$`)
	// tainted is a node's: the reason names the taints.
	tainted = regexp.MustCompile(`^  (Ready is .*): (No\w+ taints to add .*)$`)
)

// Two different decisions of one controller never give the same reason: otherwise a reader of the journal could not tell
// them apart. The decisions are those of the scenario files; which of several like pods goes is one decision.
func TestDifferentDecisionsHaveDifferentReasons(t *testing.T) {
	likePods := regexp.MustCompile(`^(delete) \S+$`)
	for noun, scenarios := range map[string]func(t *testing.T, noun string) []decision{
		"deployment": decisionsByLine, "replicaset": decisionsByLine, "nodelifecycle": decisionsOfNodes,
		"disruption": decisionsByBlock, "endpoint": decisionsByBlock, "endpointslice": decisionsByBlock,
		"service": decisionsByBlock,
	} {
		t.Run(noun, func(t *testing.T) {
			found := scenarios(t, noun)
			require.Greater(t, len(found), 3, "the scenarios of %s are understood", noun)
			for i := range found {
				if noun == "replicaset" {
					found[i].action = likePods.ReplaceAllString(found[i].action, "$1 a pod")
				}
			}
			for _, pair := range confused(found) {
				t.Errorf("one reason for two decisions:\n%s\n%s: %s\n%s: %s", pair[0].reason, pair[0].where, pair[0].action,
					pair[1].where, pair[1].action)
			}
		})
	}
}

// confused are the pairs of different actions with equal reasons.
func confused(decisions []decision) [][2]decision {
	var out [][2]decision
	known := map[string]decision{}
	for _, d := range decisions {
		if other, ok := known[d.reason]; ok && other.action != d.action {
			out = append(out, [2]decision{other, d})
		}
		known[d.reason] = d
	}
	return out
}

func TestConfusedReasonsAreFound(t *testing.T) {
	a, b, c := decision{"create 1", "has 2", ""}, decision{"create 2", "has 2", ""}, decision{"create 1", "has 3", ""}
	require.Equal(t, [][2]decision{{a, b}}, confused([]decision{a, b, c}))
	require.Empty(t, confused([]decision{a, a, c}))
}

// answers are the scenarios' answers by where they stand.
func answers(t *testing.T, noun string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(noun, "testdata", "*"))
	require.NoError(t, err)
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if filepath.Ext(file) == ".yaml" {
			_, out[file], _ = strings.Cut(string(text), controllertest.Arrow)
			continue
		}
		for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
			question, answer, _ := strings.Cut(block, "\n----\n")
			title, _, _ := strings.Cut(question, "\n")
			out[file+" "+title] = answer
		}
	}
	return out
}

func decisionsByLine(t *testing.T, noun string) []decision {
	return decisionsOf(t, noun, planned, func(m []string) decision { return decision{action: m[1], reason: m[2]} })
}

func decisionsOfNodes(t *testing.T, noun string) []decision {
	return decisionsOf(t, noun, tainted, func(m []string) decision { return decision{action: m[2], reason: m[1] + ": " + m[2]} })
}

func decisionsOf(t *testing.T, noun string, line *regexp.Regexp, read func([]string) decision) []decision {
	var out []decision
	for where, answer := range answers(t, noun) {
		for l := range strings.SplitSeq(answer, "\n") {
			if m := line.FindStringSubmatch(l); m != nil {
				d := read(m)
				d.where = where
				out = append(out, d)
			}
		}
	}
	return out
}

// decisionsByBlock: everything in an answer is done for the one reason behind "because".
func decisionsByBlock(t *testing.T, noun string) []decision {
	var out []decision
	for where, answer := range answers(t, noun) {
		d := decision{where: where}
		var action []string
		for l := range strings.SplitSeq(strings.TrimSpace(answer), "\n") {
			if reason, ok := strings.CutPrefix(l, "because "); ok {
				d.reason = reason
				continue
			}
			action = append(action, l)
		}
		if d.reason != "" {
			d.action = strings.Join(action, "\n")
			out = append(out, d)
		}
	}
	return out
}
