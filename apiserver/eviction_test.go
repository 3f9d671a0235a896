package apiserver

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// The rules are those of https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/ and of the budget's fields.
func TestPlanEviction(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	running := func(change func(*corev1.Pod)) *corev1.Pod {
		p := pod("a")
		p.Labels = map[string]string{"app": "web"}
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
		if change != nil {
			change(p)
		}
		return p
	}
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	budget := func(change func(*policyv1.PodDisruptionBudget)) *policyv1.PodDisruptionBudget {
		b := &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
			Status:     policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 2, DesiredHealthy: 2, CurrentHealthy: 2},
		}
		if change != nil {
			change(b)
		}
		return b
	}
	allows := func(n int32) func(*policyv1.PodDisruptionBudget) {
		return func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = n }
	}
	of := func(budgets ...*policyv1.PodDisruptionBudget) []*policyv1.PodDisruptionBudget { return budgets }
	for _, c := range []struct {
		name    string
		pod     *corev1.Pod
		budgets []*policyv1.PodDisruptionBudget
		wanted  string // the reason, or the refusal with its cause
		left    int32  // -1: no budget pays
	}{
		{"no budget", running(nil), nil, "no budget covers it", -1},
		{"a budget of others", running(func(p *corev1.Pod) { p.Labels = nil }), of(budget(nil)), "no budget covers it", -1},
		{"no selector selects none", running(nil), of(budget(func(b *policyv1.PodDisruptionBudget) { b.Spec.Selector = nil })),
			"no budget covers it", -1},
		{"an empty selector selects all", running(nil), of(budget(func(b *policyv1.PodDisruptionBudget) {
			b.Spec.Selector = &metav1.LabelSelector{}
		})), "429 The disruption budget web needs 2 healthy pods and has 2 currently", -1},
		{"it has ended", running(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), of(budget(nil)), "it is Succeeded", -1},
		{"it waits", running(func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }), of(budget(nil)), "it is Pending", -1},
		{"it goes", running(func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: now} }), of(budget(nil)),
			"it is being deleted already", -1},
		{"two budgets", running(nil), of(budget(nil), budget(nil)), "500 ", -1},
		{"allowed", running(nil), of(budget(allows(2))), "pod a is evicted, 1 more may be", 1},
		{"the last one", running(nil), of(budget(allows(1))), "pod a is evicted, 0 more may be", 0},
		{"not yet counted", running(nil), of(budget(func(b *policyv1.PodDisruptionBudget) { b.Generation = 3 })),
			"429 The disruption budget web is still being processed by the server.", -1},
		{"not countable", running(nil), of(budget(func(b *policyv1.PodDisruptionBudget) {
			meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{Type: policyv1.DisruptionAllowedCondition,
				Status: metav1.ConditionFalse, Reason: policyv1.SyncFailedReason, Message: "why"})
		})), "429 The disruption budget web does not allow evicting pods currently because it failed sync: why", -1},
		{"unready, and enough others are healthy", running(unready), of(budget(nil)),
			"it is not ready, and its budget lets such pods go", -1},
		{"unready, and too few are", running(unready), of(budget(func(b *policyv1.PodDisruptionBudget) { b.Status.CurrentHealthy = 1 })),
			"429 The disruption budget web needs 2 healthy pods and has 1 currently", -1},
		{"unready, and always allowed", running(unready), of(budget(func(b *policyv1.PodDisruptionBudget) {
			b.Status.CurrentHealthy, b.Spec.UnhealthyPodEvictionPolicy = 1, ptr.To(policyv1.AlwaysAllow)
		})), "it is not ready, and its budget lets such pods go", -1},
		{"too many unconfirmed", running(nil), of(budget(func(b *policyv1.PodDisruptionBudget) {
			b.Status.DisruptionsAllowed, b.Status.DisruptedPods = 1, map[string]metav1.Time{}
			for i := range maxUnconfirmed + 1 {
				b.Status.DisruptedPods[fmt.Sprint(i)] = metav1.Time{}
			}
		})), "403 ", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := planEviction(c.pod, c.budgets, now)
			got, left := plan.Reason, int32(-1)
			if err != nil {
				status := err.(apierrors.APIStatus).Status()
				got = fmt.Sprint(status.Code, " ")
				if status.Code == 429 {
					got += status.Details.Causes[0].Message
				}
			}
			if plan.Budget != nil {
				left = plan.Budget.Status.DisruptionsAllowed
				require.Contains(t, plan.Budget.Status.DisruptedPods, "a")
				require.Equal(t, left == 0, meta.IsStatusConditionFalse(plan.Budget.Status.Conditions, policyv1.DisruptionAllowedCondition))
				require.Empty(t, c.budgets[0].Status.DisruptedPods, "what was asked stays as it is")
			}
			require.Equal(t, c.wanted, got)
			require.Equal(t, c.left, left)
		})
	}
}

// However many evictions come at once, no more succeed than the budget allows; each pod says why it goes, and the budget
// remembers it.
func TestEvictionsPayTheirBudget(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods, budgets := ts.client.CoreV1().Pods("shop"), ts.client.PolicyV1().PodDisruptionBudgets("shop")
	const n, allowed = 12, 5
	for i := range n {
		p := pod(fmt.Sprintf("p%d", i))
		p.Labels = map[string]string{"app": "web"}
		p.Spec.NodeName = "node-1" // so that there is a grace period
		made, err := pods.Create(t.Context(), p, metav1.CreateOptions{})
		require.NoError(t, err)
		made.Status.Phase = corev1.PodRunning
		made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		_, err = pods.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	b, err := budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(n - allowed)),
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, DisruptionsAllowed: allowed, ExpectedPods: n,
		CurrentHealthy: n, DesiredHealthy: n - allowed}
	_, err = budgets.UpdateStatus(t.Context(), b, metav1.UpdateOptions{})
	require.NoError(t, err)
	evict := func(name string, dryRun ...string) error {
		return ts.client.PolicyV1().Evictions("shop").Evict(t.Context(), &policyv1.Eviction{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}, DeleteOptions: &metav1.DeleteOptions{DryRun: dryRun}})
	}
	require.NoError(t, evict("p0", metav1.DryRunAll))

	var wait sync.WaitGroup
	var gone atomic.Int32
	for i := range n {
		wait.Go(func() {
			err := evict(fmt.Sprintf("p%d", i))
			if err == nil {
				gone.Add(1)
				return
			}
			if !apierrors.IsTooManyRequests(err) || !apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause) {
				t.Errorf("p%d: %v", i, err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, allowed, gone.Load())
	b, err = budgets.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	require.Zero(t, b.Status.DisruptionsAllowed)
	require.Len(t, b.Status.DisruptedPods, allowed)
	for name := range b.Status.DisruptedPods {
		p, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		require.NotNil(t, p.DeletionTimestamp)
		last := p.Status.Conditions[len(p.Status.Conditions)-1]
		require.Equal(t, corev1.DisruptionTarget, last.Type)
		require.Equal(t, "EvictionByEvictionAPI", last.Reason)
	}
}
