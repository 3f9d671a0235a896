package clustertest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is for machines that are very busy.
const patience = time.Minute

// TestMain checks that clusters leave no goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A client that gives a WebSocket up leaves its heartbeat behind, until it fails to send.
		goleak.IgnoreTopFunction("k8s.io/client-go/tools/remotecommand.(*heartbeat).start"))
}
