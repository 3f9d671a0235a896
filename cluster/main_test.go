package cluster

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/klog/v2"
)

// patience is for machines that are very busy.
const patience = time.Minute

// TestMain is also the program of the processes that tests start and kill: see process_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(playRole(role))
	}
	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // clients complain of servers that were killed
	goleak.VerifyTestMain(m,
		// A port-forward whose other end has gone first keeps the error for a second, in case somebody asks for it.
		goleak.IgnoreTopFunction("github.com/moby/spdystream.(*Connection).shutdown"))
}
