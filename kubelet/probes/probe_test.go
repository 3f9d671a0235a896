package probes

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/: the verdict changes after
// failureThreshold failures or successThreshold successes in a row.
func TestProbeThresholds(t *testing.T) {
	probe := &corev1.Probe{FailureThreshold: 2, SuccessThreshold: 2}
	refused := errors.New("refused")
	r := Result{}
	for i, answer := range []struct {
		failure          error
		success, failing bool
	}{{nil, false, false}, {refused, false, false}, {nil, false, false}, {nil, true, false}, {refused, true, false},
		{refused, false, true}, {nil, false, true}, {nil, true, false}} {
		r = r.After(probe, answer.failure)
		require.Equal(t, answer.success, r.Success, "answer %d", i)
		require.Equal(t, answer.failing, r.Failure, "answer %d", i)
	}
}
