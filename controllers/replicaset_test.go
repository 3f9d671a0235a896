package controllers

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
	"k8s.io/apimachinery/pkg/types"
)

var webLabels = map[string]string{"app": "web"}

// aReplicaSet of the given size selects app=web and says so in its template.
func aReplicaSet(name string, size int32) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "1",
			Generation: 1, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: &size,
			Selector: &metav1.LabelSelector{MatchLabels: webLabels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: webLabels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}
}

func replicaSetGiven(g given) *appsv1.ReplicaSet {
	rs := aReplicaSet(g.name, g.int("wants", 1))
	rs.Spec.MinReadySeconds = g.int("minReadySeconds", 0)
	if g.has("template") {
		key, value, _ := strings.Cut(g.said["template"], ":")
		rs.Spec.Template.Labels = map[string]string{"app": "web", key: value}
	}
	if g.has("deleting") {
		rs.DeletionTimestamp = &metav1.Time{Time: noon}
	}
	return rs
}

func podGiven(g given) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: g.name, UID: types.UID("uid-" + g.name),
			Labels: map[string]string{"app": g.str("app", "web")}, CreationTimestamp: metav1.NewTime(g.ago("age", time.Hour))},
		Spec:   corev1.PodSpec{NodeName: g.str("node", "n1")},
		Status: corev1.PodStatus{Phase: corev1.PodPhase(g.str("phase", "Running"))},
	}
	if owner := g.str("owner", "web"); owner != "none" {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(aReplicaSet(owner, 0),
			appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	}
	if g.has("ready") {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(g.ago("ready", 0))}}
	}
	if g.has("cost") {
		pod.Annotations = map[string]string{corev1.PodDeletionCost: g.said["cost"]}
	}
	if g.has("restarts") {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: g.int("restarts", 0)}}
	}
	if g.has("deleting") {
		pod.DeletionTimestamp = &metav1.Time{Time: noon}
	}
	return pod
}

// TestPlanReplicaSet follows upstream's "ReplicaSet" page: what is adopted and released, what counts, and "Scaling a
// ReplicaSet" and "Pod deletion cost" for the order in which pods go.
func TestPlanReplicaSet(t *testing.T) {
	runScenarios(t, "replicaset", func(t *testing.T, lines []given) string {
		var rs *appsv1.ReplicaSet
		var pods, related []*corev1.Pod
		for _, g := range lines {
			switch g.word {
			case "replicaset":
				rs = replicaSetGiven(g)
			case "pod":
				pods = append(pods, podGiven(g))
				related = append(related, podGiven(g))
			case "relative": // a pod of another ReplicaSet of the same Deployment
				related = append(related, podGiven(g))
			default:
				t.Fatalf("a scenario of ReplicaSets does not know the word %q", g.word)
			}
		}
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		require.NoError(t, err)
		return renderReplicaSetPlan(planReplicaSet("ReplicaSet", rs, selector, pods, related, noon))
	})
}

func renderReplicaSetPlan(plan replicaSetPlan) string {
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
	status := withFailure(appsv1.ReplicaSetStatus{}, failedCreate, errors.New("exceeded quota"), noon)
	require.Equal(t, []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(noon), Reason: "FailedCreate", Message: "exceeded quota"}}, status.Conditions)
	later := withFailure(status, failedDelete, errors.New("another"), noon.Add(time.Minute))
	require.Equal(t, status.Conditions, later.Conditions, "the first failure stands")
	require.Empty(t, withFailure(later, "", nil, noon).Conditions)
	require.Equal(t, "ReplicaSet web: replicas 0 is now 2, condition ReplicaFailure is now true (FailedCreate: exceeded quota)",
		describeReplicaSetStatus("ReplicaSet", "web", appsv1.ReplicaSetStatus{},
			appsv1.ReplicaSetStatus{Replicas: 2, Conditions: status.Conditions}))
}
