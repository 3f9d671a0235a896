package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// The rules are those of https://kubernetes.io/docs/tasks/run-application/configure-pdb/ and of the fields' own
// documentation in k8s.io/api.
func TestPlanDisruption(t *testing.T) {
	runScenarios(t, "disruption", func(t *testing.T, lines []given) string {
		var pdb *policyv1.PodDisruptionBudget
		var pods []*corev1.Pod
		wanted := map[types.UID]wantedPods{}
		for _, g := range lines {
			switch g.word {
			case "budget":
				pdb = budgetGiven(g)
			case "pod":
				pods = append(pods, podGiven(g))
			case "evicted": // the API server has let the pod go
				pdb.Status.DisruptedPods[g.name] = metav1.NewTime(g.ago("since", 0))
			case "controller":
				w := wantedPods{controller: types.UID("uid-" + g.str("of", g.name)), replicas: g.int("wants", 1)}
				if g.has("error") {
					w.err = fmt.Errorf("%s does not implement the scale subresource", g.said["error"])
				}
				wanted[types.UID("uid-"+g.name)] = w
			default:
				t.Fatalf("a scenario of budgets does not know the word %q", g.word)
			}
		}
		plan := planDisruption(pdb, pods, wanted, noon)
		again := pdb.DeepCopy()
		again.Status = plan.Status
		require.Empty(t, planDisruption(again, pods, wanted, noon).Reason, "nothing is left to do")
		return renderDisruptionPlan(plan)
	})
}

func budgetGiven(g given) *policyv1.PodDisruptionBudget {
	pdb := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: g.name, Generation: 1},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: webLabels}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptedPods: map[string]metav1.Time{}},
	}
	if g.has("min") {
		pdb.Spec.MinAvailable = ptr.To(intstr.Parse(g.said["min"]))
	}
	if g.has("max") {
		pdb.Spec.MaxUnavailable = ptr.To(intstr.Parse(g.said["max"]))
	}
	return pdb
}

func renderDisruptionPlan(plan disruptionPlan) string {
	var b strings.Builder
	s := plan.Status
	fmt.Fprintf(&b, "expected=%d desired=%d healthy=%d allowed=%d seen=%d\n", s.ExpectedPods, s.DesiredHealthy, s.CurrentHealthy,
		s.DisruptionsAllowed, s.ObservedGeneration)
	for _, c := range s.Conditions {
		fmt.Fprintf(&b, "%s=%s %s %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	for _, name := range slices.Sorted(maps.Keys(s.DisruptedPods)) {
		fmt.Fprintf(&b, "to be confirmed: %s\n", name)
	}
	for _, e := range plan.Events {
		fmt.Fprintf(&b, "event %s %s: %s\n", e.Type, e.Reason, e.Message)
	}
	if plan.Again > 0 {
		fmt.Fprintf(&b, "again in %v\n", plan.Again)
	}
	fmt.Fprintln(&b, "because", plan.Reason)
	return b.String()
}
