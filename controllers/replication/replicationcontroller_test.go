package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReplicationControllerMakesPods(t *testing.T) {
	rc := asReplicationController(controllertest.ReplicaSet("web", 2))
	client, _ := controllertest.Start(t, []loop.Row{
		{Name: "replication-controller", Workers: 4, New: New},
	}, rc)
	controllertest.Eventually(t, func() bool {
		rc, err := client.CoreV1().ReplicationControllers("shop").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return rc.Status.Replicas == 2
	}, "it counts two pods")
	for _, pod := range controllertest.PodsIn(t, client) {
		require.Equal(t, "ReplicationController", metav1.GetControllerOf(&pod).Kind)
		require.Equal(t, "v1", metav1.GetControllerOf(&pod).APIVersion)
	}
}
