package disruption

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

	"minik.dev/controllers/controllertest"
)

// The rules are those of https://kubernetes.io/docs/tasks/run-application/configure-pdb/ and of the fields' own
// documentation in k8s.io/api.
func TestPlanDisruption(t *testing.T) {
	controllertest.Scenarios(t, func(t *testing.T, lines []controllertest.Given) string {
		var pdb *policyv1.PodDisruptionBudget
		var pods []*corev1.Pod
		wanted := map[types.UID]wantedPods{}
		for _, g := range lines {
			switch g.Word {
			case "budget":
				pdb = budgetGiven(g)
			case "pod":
				pods = append(pods, controllertest.PodGiven(g))
			case "evicted": // the API server has let the pod go
				pdb.Status.DisruptedPods[g.Name] = metav1.NewTime(g.Ago("since", 0))
			case "controller":
				w := wantedPods{controller: types.UID("uid-" + g.Str("of", g.Name)), replicas: g.Int("wants", 1)}
				if g.Has("error") {
					w.err = fmt.Errorf("%s does not implement the scale subresource", g.Said["error"])
				}
				wanted[types.UID("uid-"+g.Name)] = w
			default:
				t.Fatalf("a scenario of budgets does not know the word %q", g.Word)
			}
		}
		plan := planDisruption(pdb, pods, wanted, controllertest.Noon)
		again := pdb.DeepCopy()
		again.Status = plan.Status
		require.Empty(t, planDisruption(again, pods, wanted, controllertest.Noon).Reason, "nothing is left to do")
		return renderDisruptionPlan(plan)
	})
}

func budgetGiven(g controllertest.Given) *policyv1.PodDisruptionBudget {
	pdb := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: g.Name, Generation: 1},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: controllertest.WebLabels}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptedPods: map[string]metav1.Time{}},
	}
	if g.Has("min") {
		pdb.Spec.MinAvailable = ptr.To(intstr.Parse(g.Said["min"]))
	}
	if g.Has("max") {
		pdb.Spec.MaxUnavailable = ptr.To(intstr.Parse(g.Said["max"]))
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
