package controllertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"minik.dev/controllers/podstate"
)

// WebLabels are those of the pods that everything in these tests selects.
var WebLabels = map[string]string{"app": "web"}

// ReplicaSet has the given size. It selects app=web and says so in its template.
func ReplicaSet(name string, size int32) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "1",
			Generation: 1, CreationTimestamp: metav1.NewTime(Noon.Add(-time.Hour))},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: &size,
			Selector: &metav1.LabelSelector{MatchLabels: WebLabels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: WebLabels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}
}

// PodGiven is the pod of a line: it runs on node n1 and belongs to ReplicaSet web, where the line says no other.
func PodGiven(g Given) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: g.Name, UID: types.UID("uid-" + g.Name),
			Labels: map[string]string{"app": g.Str("app", "web")}, CreationTimestamp: metav1.NewTime(g.Ago("age", time.Hour))},
		Spec:   corev1.PodSpec{NodeName: g.Str("node", "n1")},
		Status: corev1.PodStatus{Phase: corev1.PodPhase(g.Str("phase", "Running"))},
	}
	if owner := g.Str("owner", "web"); owner != "none" {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(ReplicaSet(owner, 0),
			appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	}
	if g.Has("ready") {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(g.Ago("ready", 0))}}
	}
	if g.Has("cost") {
		pod.Annotations = map[string]string{corev1.PodDeletionCost: g.Said["cost"]}
	}
	if g.Has("restarts") {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: g.Int("restarts", 0)}}
	}
	if g.Has("deleting") {
		pod.DeletionTimestamp = &metav1.Time{Time: Noon}
	}
	return pod
}

// PodsIn are the pods of namespace shop.
func PodsIn(t *testing.T, client *fake.Clientset) []corev1.Pod {
	pods, err := client.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return pods.Items
}

// MakeReady does what kubelets would.
func MakeReady(t *testing.T, client *fake.Clientset) {
	for _, pod := range PodsIn(t, client) {
		if _, ready := podstate.ReadySince(&pod); ready {
			continue
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(Noon)}}
		_, err := client.CoreV1().Pods("shop").UpdateStatus(t.Context(), &pod, metav1.UpdateOptions{})
		if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			require.NoError(t, err)
		}
	}
}

// EventMessages are the Events of namespace shop, a line each.
func EventMessages(t *testing.T, client *fake.Clientset) string {
	list, err := client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var out []string
	for _, e := range list.Items {
		out = append(out, e.Source.Component+" "+e.InvolvedObject.Kind+" "+e.Type+" "+e.Reason+" "+e.Message)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
