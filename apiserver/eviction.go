package apiserver

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// evict deletes a pod on behalf of `kubectl drain`, if its PodDisruptionBudget lets it go. The budget pays first, so that
// of two evictions at once only as many succeed as it has left.
func (s *Server) evict(r *request) error {
	eviction := &policyv1.Eviction{}
	if _, err := s.decodeBody(r, r.sub.Kind, eviction); err != nil {
		return err
	}
	if eviction.Name != "" && eviction.Name != r.name {
		return apierrors.NewBadRequest("name in URL does not match name in Eviction object")
	}
	options, err := evictionOptions(r, eviction)
	if err != nil {
		return err
	}
	if err := s.payForEviction(r, options); err != nil {
		return err
	}
	if _, _, err := s.deleteObject(r, options, markEvicted); err != nil {
		return err
	}
	status := success(r, "")
	status.Details, status.Code = nil, http.StatusCreated
	return s.plain(r, http.StatusCreated, status)
}

func evictionOptions(r *request, eviction *policyv1.Eviction) (*metav1.DeleteOptions, error) {
	options := eviction.DeleteOptions
	if options == nil {
		options = &metav1.DeleteOptions{}
	}
	if r.dryRun() {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return options, wrongOptions("DeleteOptions", nil, metav1validation.ValidateDeleteOptions(options))
}

// payForEviction takes the eviction off the pod's budget, or says why it must not be.
func (s *Server) payForEviction(r *request, options *metav1.DeleteOptions) error {
	row := r.rows.Named(policyv1.GroupName, "poddisruptionbudgets")
	for attempt := 1; ; attempt++ {
		pod, err := s.find(r, true)
		if err != nil {
			return err
		}
		if err := deletable(r, pod, options); err != nil {
			return err
		}
		var entries []*store.Entry
		var budgets []*policyv1.PodDisruptionBudget
		s.store.Snapshot(row).Ascend(store.Range(row, r.namespace), "", func(e *store.Entry) bool {
			entries = append(entries, e)
			budgets = append(budgets, e.Object.(*policyv1.PodDisruptionBudget))
			return true
		})
		plan, err := planEviction(pod.Object.(*corev1.Pod), budgets, r.received)
		if err != nil || plan.Budget == nil || len(options.DryRun) > 0 {
			return err
		}
		payment := *r
		payment.row, payment.name, payment.subresource = row, plan.Budget.Name, "status"
		payment.reason = plan.Reason
		paid := entries[slices.IndexFunc(entries, func(e *store.Entry) bool { return e.Object.GetName() == plan.Budget.Name })]
		_, err = s.store.Update(r.Context(), row, paid, plan.Budget, payment.entry("update", plan.Budget.Name))
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) || attempt == attempts {
			return err
		}
	}
}

// evictionPlan is what an eviction costs.
type evictionPlan struct {
	// Budget is the budget that pays, as it is afterwards; nil where the eviction is free.
	Budget *policyv1.PodDisruptionBudget
	Reason string
}

// planEviction decides whether the pod may be evicted. The rules are upstream's: a pod that has ended, or not begun, costs
// nothing; one that is not ready costs nothing where the budget's unhealthyPodEvictionPolicy says so; the others cost one
// of the disruptions that the budget's status allows. The error is what the client reads; 429 asks it to try again.
func planEviction(pod *corev1.Pod, budgets []*policyv1.PodDisruptionBudget, now time.Time) (evictionPlan, error) {
	switch pod.Status.Phase {
	case corev1.PodSucceeded, corev1.PodFailed, corev1.PodPending:
		return evictionPlan{Reason: fmt.Sprintf("it is %s", pod.Status.Phase)}, nil
	}
	if pod.DeletionTimestamp != nil {
		return evictionPlan{Reason: "it is being deleted already"}, nil
	}
	covering := slices.DeleteFunc(slices.Clone(budgets), func(b *policyv1.PodDisruptionBudget) bool { return !covers(b, pod) })
	if len(covering) == 0 {
		return evictionPlan{Reason: "no budget covers it"}, nil
	}
	if len(covering) > 1 {
		return evictionPlan{}, apierrors.NewInternalError(errors.New(
			"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")) //nolint:staticcheck // upstream's words
	}
	budget := covering[0]
	if !ready(pod) && unhealthyGoFree(budget) {
		return evictionPlan{Reason: "it is not ready, and its budget lets such pods go"}, nil
	}
	if err := refusal(budget); err != nil {
		return evictionPlan{}, err
	}
	next := budget.DeepCopy()
	charge(&next.Status, pod.Name, now)
	return evictionPlan{Budget: next, Reason: fmt.Sprintf("pod %s is evicted, %d more may be", pod.Name,
		next.Status.DisruptionsAllowed)}, nil
}

// covers reports whether the budget selects the pod: without a selector it selects none, with an empty one all.
func covers(budget *policyv1.PodDisruptionBudget, pod *corev1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(pod.Labels))
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// unhealthyGoFree reports whether a pod that is not ready may go whatever the budget allows: always under AlwaysAllow, else
// while enough others are healthy.
func unhealthyGoFree(budget *policyv1.PodDisruptionBudget) bool {
	if policy := budget.Spec.UnhealthyPodEvictionPolicy; policy != nil && *policy == policyv1.AlwaysAllow {
		return true
	}
	return budget.Status.DesiredHealthy > 0 && budget.Status.CurrentHealthy >= budget.Status.DesiredHealthy
}

// maxUnconfirmed is how many evictions a budget remembers that its controller has not seen happen yet.
const maxUnconfirmed = 2000

// refusal says why the budget does not pay, or nil.
func refusal(budget *policyv1.PodDisruptionBudget) error {
	s := &budget.Status
	forbidden := func(message string) error {
		return apierrors.NewForbidden(policyv1.Resource("poddisruptionbudget"), budget.Name, errors.New(message))
	}
	failed := meta.FindStatusCondition(s.Conditions, policyv1.DisruptionAllowedCondition)
	switch {
	case s.ObservedGeneration < budget.Generation:
		return tooManyEvictions(10, fmt.Sprintf("The disruption budget %s is still being processed by the server.", budget.Name))
	case s.DisruptionsAllowed < 0:
		return forbidden("pdb disruptions allowed is negative")
	case len(s.DisruptedPods) > maxUnconfirmed:
		return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
	case s.DisruptionsAllowed > 0:
		return nil
	case failed != nil && failed.Status == metav1.ConditionFalse && failed.Reason == policyv1.SyncFailedReason:
		return tooManyEvictions(0, fmt.Sprintf("The disruption budget %s does not allow evicting pods currently because it "+
			"failed sync: %v", budget.Name, failed.Message))
	}
	return tooManyEvictions(0, fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently",
		budget.Name, s.DesiredHealthy, s.CurrentHealthy))
}

func tooManyEvictions(retryAfter int, cause string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfter)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: cause}}
	return err
}

// charge takes one disruption off what is allowed. Until the budget's controller sees the pod go, it counts as gone.
func charge(s *policyv1.PodDisruptionBudgetStatus, pod string, now time.Time) {
	s.DisruptionsAllowed--
	if s.DisruptionsAllowed == 0 {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.InsufficientPodsReason,
			ObservedGeneration: s.ObservedGeneration, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		})
	}
	s.DisruptedPods = maps.Clone(s.DisruptedPods)
	if s.DisruptedPods == nil {
		s.DisruptedPods = map[string]metav1.Time{}
	}
	s.DisruptedPods[pod] = metav1.NewTime(now.Truncate(time.Second))
}

// markEvicted says in the pod's conditions why it goes. Upstream writes them before it deletes, and has a controller take
// them back where the deletion never came; here both are one write.
func markEvicted(obj resources.Object, now time.Time) {
	pod := obj.(*corev1.Pod)
	mark := corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, ObservedGeneration: pod.Generation,
		Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting",
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	pod.Status.Conditions = slices.DeleteFunc(slices.Clone(pod.Status.Conditions), func(c corev1.PodCondition) bool {
		return c.Type == mark.Type
	})
	pod.Status.Conditions = append(pod.Status.Conditions, mark)
}
