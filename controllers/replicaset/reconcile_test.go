package replicaset

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var replicaSetRows = []loop.Row{{Name: "replicaset-controller", Workers: 16, New: New}}

func TestPodsOfOthersAreAdopted(t *testing.T) {
	rs := controllertest.ReplicaSet("web", 2)
	stray := controllertest.PodGiven(controllertest.Given{T: t, Name: "stray", Said: map[string]string{"owner": "none"}})
	client, _ := controllertest.Start(t, replicaSetRows, rs, stray)
	controllertest.Eventually(t, func() bool {
		pods := controllertest.PodsIn(t, client)
		return len(pods) == 2 && !slices.ContainsFunc(pods, func(pod corev1.Pod) bool {
			return !metav1.IsControlledBy(&pod, rs)
		})
	}, "one pod is adopted and one is made")
}

func TestRefusedPodsAreReported(t *testing.T) {
	client := fake.NewSimpleClientset(controllertest.ReplicaSet("web", 4))
	client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", errQuota)
	})
	controllertest.StartOn(t, client, loop.Options{Clock: clocktesting.NewFakeClock(controllertest.Noon)}, replicaSetRows)
	controllertest.Eventually(t, func() bool {
		rs, err := client.AppsV1().ReplicaSets("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return len(rs.Status.Conditions) == 1 && rs.Status.Conditions[0].Reason == failedCreate
	}, "the condition says that no pod can be made")
	controllertest.Eventually(t, func() bool {
		return strings.Contains(controllertest.EventMessages(t, client), "ReplicaSet Warning FailedCreate Error creating: ")
	}, "an event says so")
}

var errQuota = errors.New("exceeded quota")

// TestLostPodsAreReportedFirst: that a pod is gone is written before the one that replaces it counts, so that a Deployment sees the
// count rise again.
func TestLostPodsAreReportedFirst(t *testing.T) {
	rs := controllertest.ReplicaSet("web", 2)
	rs.Status.Replicas = 2
	kept := controllertest.PodGiven(controllertest.Given{T: t, Name: "kept", Said: map[string]string{}})
	client, _ := controllertest.Start(t, replicaSetRows, rs, kept)
	controllertest.Eventually(t, func() bool {
		var counts []int32
		for _, a := range client.Actions() {
			if u, ok := a.(clienttesting.UpdateAction); ok && a.GetSubresource() == "status" {
				counts = append(counts, u.GetObject().(*appsv1.ReplicaSet).Status.Replicas)
			}
		}
		return slices.Equal(counts, []int32{1, 2})
	}, "the status says one, then two")
}

// TestNeighboursMatterOnlyBelowADeployment: of the pods of a ReplicaSet that nobody controls, none is the first to go for sharing its
// node; below a Deployment it is, whoever controls the others that its ReplicaSets select.
func TestNeighboursMatterOnlyBelowADeployment(t *testing.T) {
	for _, test := range []struct {
		controlled bool
		left       string
	}{{false, "shares"}, {true, "alone"}} {
		rs := controllertest.ReplicaSet("web", 1)
		if test.controlled {
			rs.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "d", Controller: new(true)}}
		}
		pod := func(name, ready, node, owner string) *corev1.Pod {
			return controllertest.PodGiven(controllertest.Given{T: t, Name: name,
				Said: map[string]string{"ready": ready, "node": node, "owner": owner}})
		}
		shares, alone, foreign := pod("shares", "24h", "n1", "web"), pod("alone", "5m", "n2", "web"), pod("foreign", "24h", "n1", "other")
		client, _ := controllertest.Start(t, replicaSetRows, rs, shares, alone, foreign)
		controllertest.Eventually(t, func() bool {
			var names []string
			for _, p := range controllertest.PodsIn(t, client) {
				names = append(names, p.Name)
			}
			return slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values([]string{"foreign", test.left})))
		}, "the pod left is "+test.left)
	}
}
