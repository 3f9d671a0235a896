package controllertest

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clocktesting "k8s.io/utils/clock/testing"
)

// Node says nothing but its name.
func Node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "7"}}
}

// ReadyNode is a node whose Ready condition is True.
func ReadyNode(name string) *corev1.Node {
	n := Node(name)
	n.UID = types.UID("uid-" + name)
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n
}

// Lease is a node's, renewed at noon.
func Lease(node string, seconds int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: node, Namespace: corev1.NamespaceNodeLease},
		Spec:       coordinationv1.LeaseSpec{LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: Noon}},
	}
}

// PodOn is a ready pod that is bound to a node.
func PodOn(name, node string, tolerations ...corev1.Toleration) *corev1.Pod {
	pod := Pod(0)
	pod.Name, pod.UID, pod.Spec.NodeName, pod.Spec.Tolerations = name, types.UID("uid-"+name), node, tolerations
	return pod
}

// Stepping waits as eventually does, while the clock goes on: a retry after a conflict waits for it.
func Stepping(t *testing.T, clock *clocktesting.FakeClock, condition func() bool, what string) {
	t.Helper()
	Eventually(t, func() bool {
		if condition() {
			return true
		}
		clock.Step(10 * time.Millisecond)
		return false
	}, what)
}

// Gone reports whether the pod of namespace shop is no more.
func Gone(t *testing.T, client *fake.Clientset, pod string) bool {
	_, err := client.CoreV1().Pods("shop").Get(t.Context(), pod, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}
