package namespace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"minik.dev/controllers/deletable"
)

// How long to wait for what remains in a namespace. The end of a pod is an event and needs no waiting.
const (
	retryContent    = 200 * time.Millisecond
	retryFinalizers = time.Second
	retryPods       = 5 * time.Second
)

// namespaceContent is what one pass found of one resource in a namespace that is being deleted.
type namespaceContent struct {
	Resource schema.GroupVersionResource
	// Remaining objects after everything was asked to go.
	Remaining int
	// Finalizers says how many of them each finalizer holds.
	Finalizers map[string]int
	// Err is why they could not be deleted or listed.
	Err error
}

// namespacePlan is what is to be done about a namespace that is being deleted.
type namespacePlan struct {
	// Status is the namespace with its new conditions; nil where they are right.
	Status *corev1.Namespace
	// Finalize is the namespace without the finalizer "kubernetes"; nil while something remains.
	Finalize *corev1.Namespace
	// After is when to look again.
	After  time.Duration
	Reason string
}

// isTerminating reports whether this controller has anything to do with the namespace.
func isTerminating(namespace *corev1.Namespace) bool {
	return namespace.DeletionTimestamp != nil && slices.Contains(namespace.Spec.Finalizers, corev1.FinalizerKubernetes)
}

// planTerminating is the namespace in phase Terminating; nil where it is there already.
func planTerminating(namespace *corev1.Namespace) *corev1.Namespace {
	if namespace.Status.Phase == corev1.NamespaceTerminating {
		return nil
	}
	updated := namespace.DeepCopy()
	updated.Status.Phase = corev1.NamespaceTerminating
	return updated
}

// planNamespace says what follows from one pass over the contents. discovered is the error with which the pass learnt what
// there is to delete: while a group does not answer, the namespace stays.
func planNamespace(
	namespace *corev1.Namespace, contents []namespaceContent, discovered error, now time.Time,
) namespacePlan {
	updated := namespace.DeepCopy()
	for _, condition := range namespaceConditions(contents, discovered) {
		setNamespaceCondition(updated, condition, now)
	}
	plan := namespacePlan{}
	if !equality.Semantic.DeepEqual(updated.Status, namespace.Status) {
		plan.Status = updated
	}
	remaining, failed, finalizers, pods := 0, 0, 0, 0
	var which []string
	for _, c := range contents {
		remaining += c.Remaining
		if c.Remaining > 0 {
			which = append(which, fmt.Sprintf("%d %s", c.Remaining, c.Resource.GroupResource()))
		}
		finalizers += len(c.Finalizers)
		if c.Err != nil {
			failed++
		}
		if c.Resource.Resource == "pods" {
			pods = c.Remaining
		}
	}
	plan.Reason = fmt.Sprintf("%d objects remain in namespace %s, %d resources could not be deleted", remaining,
		namespace.Name, failed)
	if len(which) > 0 {
		plan.Reason += ": " + strings.Join(which, ", ")
	}
	switch {
	case discovered != nil || failed > 0 || finalizers > 0:
		plan.After = retryFinalizers
	case pods > 0:
		plan.After = retryPods
	case remaining > 0:
		plan.After = retryContent
	default:
		plan.Finalize = updated.DeepCopy()
		plan.Finalize.Spec.Finalizers = slices.DeleteFunc(plan.Finalize.Spec.Finalizers,
			func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
	}
	if discovered != nil {
		plan.Reason += ", and discovery failed"
	}
	return plan
}

// namespaceConditions are the five conditions, in upstream's order, types, reasons and words.
func namespaceConditions(contents []namespaceContent, discovered error) []corev1.NamespaceCondition {
	discovery := condition(corev1.NamespaceDeletionDiscoveryFailure,
		"ResourcesDiscovered", "All resources successfully discovered")
	parsing := condition(corev1.NamespaceDeletionGVParsingFailure,
		"ParsedGroupVersions", "All legacy kube types successfully parsed")
	var silent deletable.DiscoveryError
	switch {
	case errors.As(discovered, &silent):
		discovery = failing(discovery.Type, "DiscoveryFailed", discoveryMessage(silent))
	case discovered != nil:
		parsing = failing(parsing.Type, "GroupVersionParsingFailed", discovered.Error())
	}
	return []corev1.NamespaceCondition{
		discovery, parsing, deletionCondition(contents), remainingCondition(contents), finalizersCondition(contents)}
}

func discoveryMessage(err error) string {
	var groups *discovery.ErrGroupDiscoveryFailed
	if errors.As(err, &groups) {
		return fmt.Sprintf("Discovery failed for some groups, %d failing: %v", len(groups.Groups), err)
	}
	return err.Error()
}

func deletionCondition(contents []namespaceContent) corev1.NamespaceCondition {
	var failures []string
	for _, c := range contents {
		if c.Err != nil {
			failures = append(failures, c.Err.Error())
		}
	}
	if len(failures) == 0 {
		return condition(corev1.NamespaceDeletionContentFailure,
			"ContentDeleted", "All content successfully deleted, may be waiting on finalization")
	}
	slices.Sort(failures)
	return failing(corev1.NamespaceDeletionContentFailure, "ContentDeletionFailed", fmt.Sprintf(
		"Failed to delete all resource types, %d remaining: %s", len(failures), strings.Join(failures, ", ")))
}

func remainingCondition(contents []namespaceContent) corev1.NamespaceCondition {
	var parts []string
	for _, c := range contents {
		if c.Remaining > 0 {
			parts = append(parts, fmt.Sprintf("%s.%s has %d resource instances",
				c.Resource.Resource, c.Resource.Group, c.Remaining))
		}
	}
	if len(parts) == 0 {
		return condition(corev1.NamespaceContentRemaining, "ContentRemoved", "All content successfully removed")
	}
	slices.Sort(parts)
	return failing(corev1.NamespaceContentRemaining, "SomeResourcesRemain",
		"Some resources are remaining: "+strings.Join(parts, ", "))
}

func finalizersCondition(contents []namespaceContent) corev1.NamespaceCondition {
	counts := map[string]int{}
	for _, c := range contents {
		for finalizer, n := range c.Finalizers {
			counts[finalizer] += n
		}
	}
	if len(counts) == 0 {
		return condition(corev1.NamespaceFinalizersRemaining,
			"ContentHasNoFinalizers", "All content-preserving finalizers finished")
	}
	var parts []string
	for _, finalizer := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s in %d resource instances", finalizer, counts[finalizer]))
	}
	return failing(corev1.NamespaceFinalizersRemaining, "SomeFinalizersRemain",
		"Some content in the namespace has finalizers remaining: "+strings.Join(parts, ", "))
}

func condition(kind corev1.NamespaceConditionType, reason, message string) corev1.NamespaceCondition {
	return corev1.NamespaceCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message}
}

func failing(kind corev1.NamespaceConditionType, reason, message string) corev1.NamespaceCondition {
	return corev1.NamespaceCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message}
}

// setNamespaceCondition leaves the time of a condition that has not turned.
func setNamespaceCondition(namespace *corev1.Namespace, wanted corev1.NamespaceCondition, now time.Time) {
	wanted.LastTransitionTime = metav1.NewTime(now)
	for i := range namespace.Status.Conditions {
		current := &namespace.Status.Conditions[i]
		if current.Type != wanted.Type {
			continue
		}
		if current.Status == wanted.Status {
			wanted.LastTransitionTime = current.LastTransitionTime
		}
		*current = wanted
		return
	}
	namespace.Status.Conditions = append(namespace.Status.Conditions, wanted)
}
