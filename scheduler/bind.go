package scheduler

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/scheduler/framework"
)

// DecisionAnnotation is on each Binding, and by it on the pod: a [Record] as JSON.
const DecisionAnnotation = "scheduler.minik.dev/decision"

// Record is what is needed to make a decision again: the cluster it was made on, and its outcome. Add to the nodes
// and pods as of the two revisions those that were assumed, and Explain gives the same answer.
type Record struct {
	// Instance and Sequence name the decision: of which run of the scheduler, and which one.
	Instance string `json:"instance"`
	Sequence uint64 `json:"sequence"`
	// Nodes and Pods are the newest revisions that the scheduler had seen.
	Nodes uint64 `json:"nodes"`
	Pods  uint64 `json:"pods"`
	// Assumed are the instance's decisions whose pods were not yet seen on their nodes: "7-9,11".
	Assumed string `json:"assumed,omitempty"`
	// Feasible of the nodes fit, and the best of them, the winner first, have these scores.
	Feasible int                   `json:"feasible"`
	Best     []framework.NodeScore `json:"best"`
}

// record is the annotation for a decision that is about to be assumed.
func (s *Scheduler) record(d framework.Decision) string {
	text, err := json.Marshal(Record{
		Instance: s.instance,
		Sequence: s.sequence + 1,
		Nodes:    s.snapshot.NodesRevision,
		Pods:     s.snapshot.PodsRevision,
		Assumed:  ranges(s.assumed.sequences),
		Feasible: d.Feasible,
		Best:     d.Best,
	})
	if err != nil {
		panic("scheduler: a record without JSON form: " + err.Error())
	}
	return string(text)
}

// ranges writes increasing numbers shortly: 7, 8, 9 and 11 as "7-9,11".
func ranges(numbers []uint64) string {
	var text []byte
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, numbers[i], 10)
		if end > i {
			text = strconv.AppendUint(append(text, '-'), numbers[end], 10)
		}
		i = end + 1
	}
	return string(text)
}

// bind writes the decision down.
func (s *Scheduler) bind(ctx context.Context, item *queuedPod, d framework.Decision, annotation string, cause journal.Cause) {
	pod := item.pod
	logger := s.logger.With("namespace", pod.Namespace, "pod", pod.Name, "node", d.Node)
	err := s.writeBinding(ctx, pod, d.Node, annotation)
	if err == nil {
		logger.Info("pod bound", "reason", d.Reason())
		s.events[pod.Spec.SchedulerName].WriteV1(ctx, pod, "Binding", events.Normal("Scheduled",
			"Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, d.Node))
		return
	}
	defer s.bindFailed(item, cause) // once it is said: a later attempt must not be overtaken by what this one says
	if ctx.Err() != nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		logger.Debug("pod not bound", "error", err)
		return
	}
	logger.Warn("pod not bound", "error", err)
	s.reportError(ctx, pod, "binding rejected: "+err.Error())
}

// writeBinding binds the pod, or has the extender do it whose task that is.
func (s *Scheduler) writeBinding(ctx context.Context, pod *corev1.Pod, node, annotation string) error {
	if e := binder(s.configuration.Extenders, pod); e != nil {
		if err := e.bind(ctx, pod, node); err != nil {
			return err
		}
		s.annotate(ctx, pod, annotation)
		return nil
	}
	return s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
			Annotations: map[string]string{DecisionAnnotation: annotation},
		},
		Target: corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
}

// annotate writes the record of a decision on a pod that an extender has bound, whose binding has no place for it. The pod
// is bound by then, so that a failure costs no more than the record.
func (s *Scheduler) annotate(ctx context.Context, pod *corev1.Pod, annotation string) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": pod.UID, "annotations": map[string]string{DecisionAnnotation: annotation},
	}})
	if err != nil {
		panic("scheduler: an annotation without JSON form: " + err.Error())
	}
	_, err = s.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		s.logger.Warn("decision not recorded", "namespace", pod.Namespace, "pod", pod.Name, "error", err)
	}
}

// assumption is a pod that counts as placed although no event has shown it on its node yet.
type assumption struct {
	sequence uint64      // of the decision
	pod      *corev1.Pod // with the node's name
}

// assumptions are the pods whose bindings are under way.
type assumptions struct {
	pods      map[types.UID]assumption
	sequences []uint64 // theirs, increasing: every record of a decision names them
}

func (a *assumptions) has(uid types.UID) bool {
	_, ok := a.pods[uid]
	return ok
}

// add takes in an assumption, which is newer than the others, and than what was assumed of the same pod.
func (a *assumptions) add(one assumption) {
	a.remove(one.pod.UID)
	a.pods[one.pod.UID] = one
	a.sequences = append(a.sequences, one.sequence)
}

// remove takes out the pod's assumption and returns it, if there is one.
func (a *assumptions) remove(uid types.UID) (assumption, bool) {
	one, ok := a.pods[uid]
	if !ok {
		return assumption{}, false
	}
	delete(a.pods, uid)
	if i, found := slices.BinarySearch(a.sequences, one.sequence); found {
		a.sequences = slices.Delete(a.sequences, i, i+1)
	}
	return one, true
}
