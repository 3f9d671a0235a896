package deployment

import (
	"fmt"
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/loop"
)

// The reasons of a Deployment's conditions, upstream's words.
const (
	// Of Progressing. The first four are True, the next two False, the last two Unknown.
	reasonCreated      = "NewReplicaSetCreated"
	reasonFound        = "FoundNewReplicaSet"
	reasonUpdated      = "ReplicaSetUpdated"
	reasonAvailable    = "NewReplicaSetAvailable"
	reasonExceeded     = "ProgressDeadlineExceeded"
	reasonCreateFailed = "ReplicaSetCreateError"
	reasonPaused       = "DeploymentPaused"
	reasonResumed      = "DeploymentResumed"
	// Of Available.
	reasonEnough    = "MinimumReplicasAvailable"
	reasonNotEnough = "MinimumReplicasUnavailable"
)

// status counts what the ReplicaSets report, and judges whether enough pods are available.
func (r *rollout) status() appsv1.DeploymentStatus {
	all := r.all()
	gone := total(all, func(s *set) int32 {
		if s.Status.TerminatingReplicas == nil {
			return 0 // its controller has not looked at it yet
		}
		return *s.Status.TerminatingReplicas
	})
	status := appsv1.DeploymentStatus{
		ObservedGeneration:  r.d.Generation,
		Replicas:            total(all, func(s *set) int32 { return s.Status.Replicas }),
		ReadyReplicas:       total(all, func(s *set) int32 { return s.Status.ReadyReplicas }),
		AvailableReplicas:   total(all, func(s *set) int32 { return s.Status.AvailableReplicas }),
		TerminatingReplicas: &gone,
		CollisionCount:      r.d.Status.CollisionCount,
		Conditions:          slices.Clone(r.conditions),
	}
	if r.newest != nil {
		status.UpdatedReplicas = r.newest.Status.Replicas
	}
	status.UnavailableReplicas = max(0, total(all, (*set).size)-status.AvailableReplicas)
	if status.AvailableReplicas >= r.desired()-r.unavailable {
		setCondition(&status.Conditions, appsv1.DeploymentAvailable, corev1.ConditionTrue, reasonEnough,
			"Deployment has minimum availability.", r.now)
	} else {
		setCondition(&status.Conditions, appsv1.DeploymentAvailable, corev1.ConditionFalse, reasonNotEnough,
			"Deployment does not have minimum availability.", r.now)
	}
	return status
}

// judgeProgress sets the conditions that a rollout has beyond its counts: Progressing, against the deadline, and
// ReplicaFailure. It returns how long it is until the deadline passes, or zero.
func (r *rollout) judgeProgress(status *appsv1.DeploymentStatus) time.Duration {
	r.noteFailure(status)
	deadline, has := progressDeadline(r.d)
	if !has {
		dropCondition(&status.Conditions, appsv1.DeploymentProgressing)
		return 0
	}
	subject := fmt.Sprintf("Deployment %q", r.d.Name)
	if r.newest != nil {
		subject = fmt.Sprintf("ReplicaSet %q", r.newest.Name)
	}
	current := findCondition(status.Conditions, appsv1.DeploymentProgressing)
	done := current != nil && current.Reason == reasonAvailable && status.Replicas == status.UpdatedReplicas
	switch {
	case done:
	case complete(r.d, *status):
		setCondition(&status.Conditions, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonAvailable,
			subject+" has successfully progressed.", r.now)
	case progressed(r.d.Status, *status):
		// The time of the last update is what the deadline counts from: it moves with each step forward.
		since := metav1.NewTime(r.now)
		if current != nil && current.Status == corev1.ConditionTrue {
			since = current.LastTransitionTime
		}
		dropCondition(&status.Conditions, appsv1.DeploymentProgressing)
		status.Conditions = append(status.Conditions, appsv1.DeploymentCondition{
			Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: reasonUpdated,
			Message: subject + " is progressing.", LastUpdateTime: metav1.NewTime(r.now), LastTransitionTime: since,
		})
	case exceeded(current, deadline, r.now):
		setCondition(&status.Conditions, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonExceeded,
			subject+" has timed out progressing.", r.now)
	}
	return untilExceeded(r.d, *status, deadline, r.now)
}

// noteFailure passes on that a ReplicaSet cannot make or delete its pods; the newest's word counts first.
func (r *rollout) noteFailure(status *appsv1.DeploymentStatus) {
	sets := r.all()
	slices.Reverse(sets)
	for _, s := range sets {
		for _, c := range s.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				setCondition(&status.Conditions, appsv1.DeploymentReplicaFailure, c.Status, c.Reason, c.Message, r.now)
				return
			}
		}
	}
	dropCondition(&status.Conditions, appsv1.DeploymentReplicaFailure)
}

// notePause stops the clock of the progress deadline while the Deployment is paused, and starts it when it resumes.
func (r *rollout) notePause() {
	if _, has := progressDeadline(r.d); !has {
		return
	}
	current := findCondition(r.conditions, appsv1.DeploymentProgressing)
	if current != nil && current.Reason == reasonExceeded {
		return
	}
	noted := current != nil && current.Reason == reasonPaused
	switch {
	case r.d.Spec.Paused && !noted:
		setCondition(&r.conditions, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonPaused,
			"Deployment is paused", r.now)
	case !r.d.Spec.Paused && noted:
		setCondition(&r.conditions, appsv1.DeploymentProgressing, corev1.ConditionUnknown, reasonResumed,
			"Deployment is resumed", r.now)
	}
}

// noteFound starts the progress of a Deployment whose ReplicaSet was there before it.
func (r *rollout) noteFound() {
	_, has := progressDeadline(r.d)
	if has && findCondition(r.conditions, appsv1.DeploymentProgressing) == nil {
		setCondition(&r.conditions, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonFound,
			fmt.Sprintf("Found new replica set %q", r.newest.Name), r.now)
	}
}

func (r *rollout) noteCreated() {
	if _, has := progressDeadline(r.d); has {
		setCondition(&r.conditions, appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonCreated,
			fmt.Sprintf("Created new replica set %q", r.newest.Name), r.now)
	}
}

// withCreateError is the status of a Deployment whose new ReplicaSet could not be made.
func withCreateError(d *appsv1.Deployment, name string, failure error, now time.Time) appsv1.DeploymentStatus {
	status := *d.Status.DeepCopy()
	setCondition(&status.Conditions, appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonCreateFailed,
		fmt.Sprintf("Failed to create new replica set %q: %v", name, failure), now)
	return status
}

// complete reports whether all pods are of the newest template and available, and no other is left.
func complete(d *appsv1.Deployment, status appsv1.DeploymentStatus) bool {
	want := *d.Spec.Replicas
	return status.UpdatedReplicas == want && status.Replicas == want && status.AvailableReplicas == want &&
		status.ObservedGeneration >= d.Generation
}

// progressed reports whether there are more new pods, fewer old ones, or more that are ready or available.
func progressed(old, status appsv1.DeploymentStatus) bool {
	return status.UpdatedReplicas > old.UpdatedReplicas ||
		status.Replicas-status.UpdatedReplicas < old.Replicas-old.UpdatedReplicas ||
		status.ReadyReplicas > old.ReadyReplicas ||
		status.AvailableReplicas > old.AvailableReplicas
}

// progressDeadline is spec.progressDeadlineSeconds; the largest number there is means none, as upstream has it.
func progressDeadline(d *appsv1.Deployment) (time.Duration, bool) {
	seconds := d.Spec.ProgressDeadlineSeconds
	if seconds == nil || *seconds == math.MaxInt32 {
		return 0, false
	}
	return time.Duration(*seconds) * time.Second, true
}

func exceeded(current *appsv1.DeploymentCondition, deadline time.Duration, now time.Time) bool {
	return current != nil && current.Reason != reasonAvailable &&
		(current.Reason == reasonExceeded || current.LastUpdateTime.Add(deadline).Before(now))
}

// untilExceeded is when to look again whether the deadline has passed. Times in conditions are whole seconds, so one more
// is added.
func untilExceeded(d *appsv1.Deployment, status appsv1.DeploymentStatus, deadline time.Duration,
	now time.Time) time.Duration {
	current := findCondition(status.Conditions, appsv1.DeploymentProgressing)
	if current == nil || current.Reason == reasonExceeded || current.Reason == reasonAvailable || complete(d, status) {
		return 0
	}
	return max(0, current.LastUpdateTime.Add(deadline).Sub(now)) + time.Second
}

func findCondition(conditions []appsv1.DeploymentCondition,
	t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range conditions {
		if conditions[i].Type == t {
			return &conditions[i]
		}
	}
	return nil
}

// setCondition sets a condition unless it stands with the same status and reason. LastTransitionTime moves only with the
// status.
func setCondition(conditions *[]appsv1.DeploymentCondition, t appsv1.DeploymentConditionType,
	status corev1.ConditionStatus, reason, message string, now time.Time) {
	c := appsv1.DeploymentCondition{Type: t, Status: status, Reason: reason, Message: message,
		LastUpdateTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now)}
	if current := findCondition(*conditions, t); current != nil {
		if current.Status == status && current.Reason == reason {
			return
		}
		if current.Status == status {
			c.LastTransitionTime = current.LastTransitionTime
		}
	}
	dropCondition(conditions, t)
	*conditions = append(*conditions, c)
}

func dropCondition(conditions *[]appsv1.DeploymentCondition, t appsv1.DeploymentConditionType) {
	*conditions = slices.DeleteFunc(slices.Clone(*conditions), func(c appsv1.DeploymentCondition) bool { return c.Type == t })
}

// describeDeploymentStatus is the reason of a status write: what differs. It is empty where nothing does.
func describeDeploymentStatus(name string, old, status appsv1.DeploymentStatus) string {
	var d loop.Differences
	d.Count("replicas", old.Replicas, status.Replicas)
	d.Count("updatedReplicas", old.UpdatedReplicas, status.UpdatedReplicas)
	d.Count("readyReplicas", old.ReadyReplicas, status.ReadyReplicas)
	d.Count("availableReplicas", old.AvailableReplicas, status.AvailableReplicas)
	d.Count("unavailableReplicas", old.UnavailableReplicas, status.UnavailableReplicas)
	d.Optional("terminatingReplicas", old.TerminatingReplicas, status.TerminatingReplicas)
	d.Optional("collisionCount", old.CollisionCount, status.CollisionCount)
	if old.ObservedGeneration != status.ObservedGeneration {
		d.Add("observedGeneration %d is now %d", old.ObservedGeneration, status.ObservedGeneration)
	}
	for _, c := range status.Conditions {
		before := findCondition(old.Conditions, c.Type)
		switch {
		case before == nil || before.Status != c.Status || before.Reason != c.Reason:
			d.Add("condition %s is %s (%s)", c.Type, c.Status, c.Reason)
		case before.Message != c.Message:
			d.Add("condition %s says: %s", c.Type, c.Message)
		}
	}
	for _, c := range old.Conditions {
		if findCondition(status.Conditions, c.Type) == nil {
			d.Add("condition %s is gone", c.Type)
		}
	}
	return d.Sentence("Deployment " + name)
}
