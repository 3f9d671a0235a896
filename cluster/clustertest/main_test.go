package clustertest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is for machines that are very busy.
const patience = time.Minute

// TestMain checks that clusters leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
