package replicaset

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/controllertest"
)

func replicaSetGiven(g controllertest.Given) *appsv1.ReplicaSet {
	rs := controllertest.ReplicaSet(g.Name, g.Int("wants", 1))
	rs.Spec.MinReadySeconds = g.Int("minReadySeconds", 0)
	if g.Has("template") {
		key, value, _ := strings.Cut(g.Said["template"], ":")
		rs.Spec.Template.Labels = map[string]string{"app": "web", key: value}
	}
	if g.Has("deleting") {
		rs.DeletionTimestamp = &metav1.Time{Time: controllertest.Noon}
	}
	return rs
}

// TestPlanReplicaSet follows upstream's "ReplicaSet" page: what is adopted and released, what counts, and "Scaling a
// ReplicaSet" and "Pod deletion cost" for the order in which pods go.
func TestPlanReplicaSet(t *testing.T) {
	controllertest.Scenarios(t, func(t *testing.T, lines []controllertest.Given) string {
		var rs *appsv1.ReplicaSet
		var pods, related []*corev1.Pod
		for _, g := range lines {
			switch g.Word {
			case "replicaset":
				rs = replicaSetGiven(g)
			case "pod":
				pods = append(pods, controllertest.PodGiven(g))
				related = append(related, controllertest.PodGiven(g))
			case "relative": // a pod of another ReplicaSet of the same Deployment
				related = append(related, controllertest.PodGiven(g))
			default:
				t.Fatalf("a scenario of ReplicaSets does not know the word %q", g.Word)
			}
		}
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		require.NoError(t, err)
		return renderReplicaSetPlan(PlanFor("ReplicaSet", rs, selector, pods, related, controllertest.Noon))
	})
}

func renderReplicaSetPlan(plan Plan) string {
	var b strings.Builder
	for _, pod := range plan.Claims.Adopt {
		fmt.Fprintf(&b, "adopt %s\n", pod.Name)
	}
	for _, pod := range plan.Claims.Release {
		fmt.Fprintf(&b, "release %s\n", pod.Name)
	}
	if plan.Create > 0 {
		fmt.Fprintf(&b, "create %d: %s\n", plan.Create, plan.CreateReason)
	}
	for _, d := range plan.Delete {
		fmt.Fprintf(&b, "delete %s: %s\n", d.Pod.Name, d.Reason)
	}
	s := plan.Status
	fmt.Fprintf(&b, "status replicas=%d fullyLabeled=%d ready=%d available=%d terminating=%d\n", s.Replicas,
		s.FullyLabeledReplicas, s.ReadyReplicas, s.AvailableReplicas, *s.TerminatingReplicas)
	if plan.Again > 0 {
		fmt.Fprintf(&b, "again in %v\n", plan.Again)
	}
	return b.String()
}

func TestReplicaFailureStandsUntilAllIsWell(t *testing.T) {
	status := withFailure(appsv1.ReplicaSetStatus{}, failedCreate, errors.New("exceeded quota"), controllertest.Noon)
	require.Equal(t, []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(controllertest.Noon), Reason: "FailedCreate", Message: "exceeded quota"}}, status.Conditions)
	later := withFailure(status, failedDelete, errors.New("another"), controllertest.Noon.Add(time.Minute))
	require.Equal(t, status.Conditions, later.Conditions, "the first failure stands")
	require.Empty(t, withFailure(later, "", nil, controllertest.Noon).Conditions)
	require.Equal(t, "ReplicaSet web: replicas 0 is now 2, condition ReplicaFailure is now true (FailedCreate: exceeded quota)",
		describeReplicaSetStatus("ReplicaSet", "web", appsv1.ReplicaSetStatus{},
			appsv1.ReplicaSetStatus{Replicas: 2, Conditions: status.Conditions}))
}
