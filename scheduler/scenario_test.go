package scheduler

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"minik.dev/scenario"
	"minik.dev/scheduler/framework"
	"minik.dev/scheduler/suggest"
)

// given is one file testdata/*.yaml: a cluster, a pod, and how to schedule; its answer is beside it in *.txt.
type given struct {
	Configuration json.RawMessage                 `json:"configuration"`
	Namespaces    []*corev1.Namespace             `json:"namespaces"`
	Nodes         []*corev1.Node                  `json:"nodes"`
	Placed        []*corev1.Pod                   `json:"placed"`
	Nominated     []*corev1.Pod                   `json:"nominated"` // for status.nominatedNodeName
	Budgets       []*policyv1.PodDisruptionBudget `json:"budgets"`
	Claims        []*corev1.PersistentVolumeClaim `json:"claims"`
	Volumes       []*corev1.PersistentVolume      `json:"volumes"`
	Classes       []*storagev1.StorageClass       `json:"classes"`
	Pod           *corev1.Pod                     `json:"pod"`
}

func TestScenarios(t *testing.T) {
	scenario.Answers(t, "testdata/*.yaml", func(t *testing.T, text string) string {
		var s given
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &s))
		return s.answer(t)
	})
}

// answer is the decision with all its reasons, as text.
func (s *given) answer(t *testing.T) string {
	profile := framework.DefaultProfile()
	if s.Configuration != nil {
		configuration, err := parseConfiguration(s.Configuration)
		require.NoError(t, err)
		profile = configuration.Profiles[framework.DefaultSchedulerName]
	}
	world := suggest.World{Nodes: s.Nodes, Pods: slices.Concat(s.Placed, s.Nominated), Namespaces: s.Namespaces, Budgets: s.Budgets,
		Claims: s.Claims, Volumes: s.Volumes, Classes: s.Classes}
	snapshot := world.Snapshot(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "of none of them"}})
	e := framework.Explain(profile, snapshot, s.Pod)
	require.Equal(t, e.Decision, framework.Schedule(profile, snapshot, s.Pod), "Schedule and Explain")

	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", s.Pod.Name, e.Decision.Reason())
	for _, n := range e.Nodes {
		if n.Rejections != nil {
			fmt.Fprintf(&b, "%s no\n", n.Node)
			for _, r := range n.Rejections {
				unresolvable := ""
				if r.Unresolvable {
					unresolvable = " (evicting pods would not help)"
				}
				fmt.Fprintf(&b, "    %-32s %s%s\n", r.Plugin, r.Says(), unresolvable)
			}
			continue
		}
		fmt.Fprintf(&b, "%s %d\n", n.Node, n.Total)
		for _, score := range n.Scores {
			fmt.Fprintf(&b, "    %-32s %3d × %d (raw %d)\n", score.Plugin, score.Score, score.Weight, score.Raw)
		}
	}
	return b.String()
}
