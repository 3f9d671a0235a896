package replicaset

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
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
