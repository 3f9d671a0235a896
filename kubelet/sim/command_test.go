package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// What ends by itself is what the image or the command is known to end.
func TestRunsFor(t *testing.T) {
	for _, c := range []struct {
		image   string
		command []string
		d       time.Duration
		forever bool
	}{
		{"nginx:1.29", nil, jobRunsFor, true},
		{"mysql:9", nil, jobRunsFor, true},
		{"my-batch:1", nil, jobRunsFor, false},
		{"nginx:1.29", []string{"nginx", "-t"}, jobRunsFor, false},
		{"busybox", []string{"sleep", "3600"}, time.Hour, false},
		{"busybox", []string{"sleep", "1h"}, time.Hour, false},
		{"busybox", []string{"sleep", "infinity"}, 0, true},
		{"busybox", []string{"sh", "-c", "echo hello; sleep 30; echo done && sleep 0.5m"}, time.Minute, false},
		{"busybox", []string{"sh", "-c", "while true; do date; sleep 1; done"}, 0, true},
		{"busybox", []string{"sh", "-c", "tail -f /dev/null"}, 0, true},
		{"perl:5.34", []string{"perl", "-Mbignum=bpi", "-wle", "print bpi(2000)"}, jobRunsFor, false},
		{"busybox", []string{"echo", "asleep 30"}, jobRunsFor, false},
	} {
		d, forever := runsFor(&corev1.Container{Image: c.image, Command: c.command})
		require.Equal(t, c.forever, forever, "%s %q", c.image, c.command)
		if !forever {
			require.Equal(t, c.d, d, "%s %q", c.image, c.command)
		}
	}
}
