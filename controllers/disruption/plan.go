package disruption

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
	"minik.dev/events"
)

// unconfirmedFor is how long a pod counts as gone whose eviction the budget has paid for and that is still there. The
// deletion did not come, then, and the disruption is given back (upstream's DeletionTimeout).
const unconfirmedFor = 2 * time.Minute

// wantedPods is how many pods the controller of a pod wants to have.
type wantedPods struct {
	// controller is the one that is scaled: the Deployment of a ReplicaSet.
	controller types.UID
	replicas   int32
	// err says why it is not known.
	err error
}

// disruptionPlan is the status that a PodDisruptionBudget is to have.
type disruptionPlan struct {
	Status policyv1.PodDisruptionBudgetStatus
	// Reason says what is new; it is empty where the status is right already.
	Reason string
	Events []events.Event
	// Again is when the status changes by itself: an eviction that was paid for has not happened by then.
	Again time.Duration
}

// planDisruption counts the budget's pods and says how many of them may be evicted. pods are those that it selects; wanted
// is, by the UID of a pod's controller, what that wants.
//
// minAvailable as a number needs nothing but the pods. A share, and maxUnavailable, are of what their controllers want, so
// that pods that are missing count as well; without that number nothing may be evicted.
func planDisruption(pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod, wanted map[types.UID]wantedPods,
	now time.Time) disruptionPlan {
	plan := disruptionPlan{Status: *pdb.Status.DeepCopy()}
	s := &plan.Status
	if len(pods) == 0 {
		plan.tell(events.Normal("NoPods", "No matching pods found"))
	}
	expected, desired, err := plan.healthyPods(pdb, pods, wanted)
	if err != nil {
		plan.tell(events.Warning("CalculateExpectedPodCountFailed",
			"Failed to calculate the number of expected pods: %v", err))
		s.DisruptionsAllowed = 0
		setDisruptionAllowed(s, policyv1.SyncFailedReason, err.Error(), now)
	} else {
		s.DisruptedPods, plan.Again = plan.unconfirmed(pdb, pods, now)
		s.ExpectedPods, s.DesiredHealthy = expected, desired
		s.CurrentHealthy = countHealthy(pods, s.DisruptedPods)
		s.DisruptionsAllowed = max(0, s.CurrentHealthy-desired)
		if expected == 0 {
			s.DisruptionsAllowed = 0
		}
		s.ObservedGeneration = pdb.Generation
		reason := policyv1.SufficientPodsReason
		if s.DisruptionsAllowed == 0 {
			reason = policyv1.InsufficientPodsReason
		}
		setDisruptionAllowed(s, reason, "", now)
	}
	plan.Reason = describeDisruption(pdb, *s)
	return plan
}

func (p *disruptionPlan) tell(e events.Event) { p.Events = append(p.Events, e) }

// healthyPods are how many pods there should be, and how many of them have to be healthy.
func (p *disruptionPlan) healthyPods(pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod,
	wanted map[types.UID]wantedPods) (expected, desired int32, err error) {
	least, most := pdb.Spec.MinAvailable, pdb.Spec.MaxUnavailable
	switch {
	case most == nil && least == nil:
		return 0, 0, nil
	case most == nil && least.Type == intstr.Int:
		return int32(len(pods)), least.IntVal, nil
	}
	if expected, err = p.expectedPods(pdb, pods, wanted); err != nil {
		return 0, 0, err
	}
	bound := least
	if most != nil {
		bound = most
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(bound, int(expected), true)
	if err != nil {
		return 0, 0, err
	}
	if most != nil {
		n = max(0, int(expected)-n)
	}
	return expected, int32(n), nil
}

// expectedPods adds up what the pods' controllers want.
func (p *disruptionPlan) expectedPods(pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod,
	wanted map[types.UID]wantedPods) (int32, error) {
	counted := map[types.UID]bool{}
	var sum int32
	unmanaged := false
	for _, pod := range pods {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil {
			unmanaged = true
			continue
		}
		w, known := wanted[owner.UID]
		if !known {
			return 0, fmt.Errorf("found no controllers for pod %q", pod.Name)
		}
		if w.err != nil {
			return 0, w.err
		}
		if !counted[w.controller] {
			counted[w.controller] = true
			sum += w.replicas
		}
	}
	if unmanaged {
		p.tell(events.Warning("UnmanagedPods", "Pods selected by this PodDisruptionBudget (selector: %v) "+
			"were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in "+
			"undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
			pdb.Spec.Selector))
	}
	return sum, nil
}

// unconfirmed are the evictions that were paid for and whose pods are still there, and when the next of them is given up.
func (p *disruptionPlan) unconfirmed(pdb *policyv1.PodDisruptionBudget, pods []*corev1.Pod, now time.Time) (
	map[string]metav1.Time, time.Duration) {
	kept, again := map[string]metav1.Time{}, time.Duration(0)
	for _, pod := range pods {
		since, paid := pdb.Status.DisruptedPods[pod.Name]
		if !paid || pod.DeletionTimestamp != nil {
			continue
		}
		left := since.Add(unconfirmedFor).Sub(now)
		if left <= 0 {
			p.tell(events.Warning("NotDeleted", "Pod was expected by PDB %s/%s to be deleted but it wasn't",
				pdb.Namespace, pdb.Name))
			continue
		}
		kept[pod.Name] = since
		if again == 0 || left < again {
			again = left
		}
	}
	if len(kept) == 0 {
		return nil, 0
	}
	return kept, again
}

// countHealthy counts the pods that are ready and that nobody is about to take away.
func countHealthy(pods []*corev1.Pod, leaving map[string]metav1.Time) int32 {
	var n int32
	for _, pod := range pods {
		_, leaves := leaving[pod.Name]
		if pod.DeletionTimestamp == nil && !leaves && podstate.Ready(pod) {
			n++
		}
	}
	return n
}

func setDisruptionAllowed(s *policyv1.PodDisruptionBudgetStatus, reason, message string, now time.Time) {
	status := metav1.ConditionFalse
	if reason == policyv1.SufficientPodsReason {
		status = metav1.ConditionTrue
	}
	s.Conditions = slices.Clone(s.Conditions)
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: policyv1.DisruptionAllowedCondition, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.ObservedGeneration, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	})
}

// describeDisruption says what is new in the status; nothing is "".
func describeDisruption(pdb *policyv1.PodDisruptionBudget, now policyv1.PodDisruptionBudgetStatus) string {
	var d loop.Differences
	old := &pdb.Status
	if old.ObservedGeneration != now.ObservedGeneration {
		d.Add("generation %d is seen", now.ObservedGeneration)
	}
	d.Count("expectedPods", old.ExpectedPods, now.ExpectedPods)
	d.Count("desiredHealthy", old.DesiredHealthy, now.DesiredHealthy)
	d.Count("currentHealthy", old.CurrentHealthy, now.CurrentHealthy)
	d.Count("disruptionsAllowed", old.DisruptionsAllowed, now.DisruptionsAllowed)
	d.Count("evictions to be confirmed", int32(len(old.DisruptedPods)), int32(len(now.DisruptedPods)))
	before := meta.FindStatusCondition(old.Conditions, policyv1.DisruptionAllowedCondition)
	after := meta.FindStatusCondition(now.Conditions, policyv1.DisruptionAllowedCondition)
	if before == nil || before.Reason != after.Reason || before.Message != after.Message {
		why := after.Reason
		if after.Message != "" {
			why += ", " + after.Message
		}
		d.Add("evictions: %s", why)
	}
	return d.Sentence("PodDisruptionBudget " + pdb.Name)
}
