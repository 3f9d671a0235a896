package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/apiserver/resources"
)

// scenarioTime is when every test takes place.
var scenarioTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func subresource(t *testing.T, resource, name string) *resources.Subresource {
	for _, row := range Resources() {
		if row.Plural == resource {
			sub, ok := row.Subresource(name)
			require.True(t, ok)
			return sub
		}
	}
	require.Failf(t, "no such resource", "%s", resource)
	return nil
}

// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/binding-v1/
func TestBinding(t *testing.T) {
	create := subresource(t, "pods", "binding").Create
	pod := func() *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "u1", Annotations: map[string]string{"kept": "yes"}},
			Status: corev1.PodStatus{NominatedNodeName: "node-1", Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes"},
			}},
		}
	}
	to := func(node string) *corev1.Binding {
		return &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{"scheduler": "decided"}},
			Target:     corev1.ObjectReference{Kind: "Node", Name: node},
		}
	}

	bound := pod()
	answer, err := create(bound, to("node-1"), scenarioTime)
	require.NoError(t, err)
	require.Equal(t, metav1.StatusSuccess, answer.(*metav1.Status).Status)
	require.Equal(t, "node-1", bound.Spec.NodeName)
	require.Empty(t, bound.Status.NominatedNodeName)
	require.Equal(t, map[string]string{"kept": "yes", "scheduler": "decided"}, bound.Annotations)
	require.Equal(t, []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(scenarioTime),
	}}, bound.Status.Conditions, "the reason of the failed attempt is gone")

	_, err = create(bound, to("node-2"), scenarioTime)
	require.True(t, apierrors.IsConflict(err))
	require.ErrorContains(t, err, `pod web is already assigned to node "node-1"`)

	deleted := pod()
	deleted.DeletionTimestamp = &metav1.Time{Time: scenarioTime}
	_, err = create(deleted, to("node-1"), scenarioTime)
	require.True(t, apierrors.IsConflict(err))
	require.ErrorContains(t, err, "pod web is being deleted, cannot be assigned to a host")

	another := to("node-1")
	another.UID = "u2"
	_, err = create(pod(), another, scenarioTime)
	require.True(t, apierrors.IsConflict(err), "a binding for an earlier pod of this name")

	nowhere := to("")
	nowhere.Target.Kind = "Shelf"
	_, err = create(pod(), nowhere, scenarioTime)
	require.True(t, apierrors.IsInvalid(err))
	require.ErrorContains(t, err, `target.kind: Unsupported value: "Shelf": supported values: "Node", "<empty>"`)
	require.ErrorContains(t, err, "target.name: Required value")
}

// TestStatusKeepsTheRest: the status subresource writes nothing but the status, finalize nothing but the finalizers.
func TestStatusKeepsTheRest(t *testing.T) {
	stored := &corev1.Pod{
		Spec:   corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{QOSClass: corev1.PodQOSBurstable, Phase: corev1.PodPending},
	}
	body := &corev1.Pod{
		Spec:   corev1.PodSpec{NodeName: "node-2"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"},
	}
	require.NoError(t, subresource(t, "pods", "status").Apply(stored, body))
	require.Equal(t, "node-1", stored.Spec.NodeName)
	require.Equal(t, corev1.PodStatus{
		QOSClass: corev1.PodQOSBurstable, Phase: corev1.PodRunning,
		PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}},
	}, stored.Status)

	namespace := &corev1.Namespace{
		Spec:   corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating},
	}
	finalize := subresource(t, "namespaces", "finalize")
	require.NoError(t, finalize.Apply(namespace, &corev1.Namespace{}))
	require.Empty(t, namespace.Spec.Finalizers)
	require.Equal(t, corev1.NamespaceTerminating, namespace.Status.Phase)
}

// https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace
func TestNamespaceRetires(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	prepareNamespace(namespace, nil)
	require.True(t, namespaces().Retire(namespace), "the finalizer keeps it")
	require.Equal(t, corev1.NamespaceTerminating, namespace.Status.Phase)
	namespace.Spec.Finalizers = nil
	require.False(t, namespaces().Retire(namespace), "nothing keeps it")
}

// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/: the two groups' names of one field
func TestEventsOfBothGroups(t *testing.T) {
	at := metav1.NewMicroTime(scenarioTime)
	stored := &corev1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:          metav1.ObjectMeta{Name: "web.1", Labels: map[string]string{"a": "b"}},
		InvolvedObject:      corev1.ObjectReference{Kind: "Pod", Name: "web"},
		Related:             &corev1.ObjectReference{Kind: "Node", Name: "node-1"},
		Reason:              "Started",
		Message:             "Started container",
		Source:              corev1.EventSource{Component: "kubelet", Host: "node-1"},
		FirstTimestamp:      metav1.NewTime(scenarioTime),
		LastTimestamp:       metav1.NewTime(scenarioTime.Add(time.Minute)),
		Count:               2,
		Type:                corev1.EventTypeNormal,
		EventTime:           at,
		Series:              &corev1.EventSeries{Count: 2, LastObservedTime: at},
		Action:              "Start",
		ReportingController: "kubelet",
		ReportingInstance:   "node-1",
	}
	served := events().Served[0]
	other := served.From(stored).(*eventsv1.Event)
	require.Equal(t, "Started container", other.Note)
	require.Equal(t, stored.InvolvedObject, other.Regarding)
	require.Equal(t, "kubelet", other.DeprecatedSource.Component)
	require.Equal(t, served.Kind, other.GroupVersionKind())
	require.Equal(t, stored, served.To(other), "no field is lost on the way there and back")

	other.Labels["a"], other.Related.Name = "changed", "changed"
	require.Equal(t, "b", stored.Labels["a"])
	require.Equal(t, "node-1", stored.Related.Name)
}
