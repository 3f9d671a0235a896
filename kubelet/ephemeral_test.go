package kubelet

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

func debugged() *corev1.Pod {
	return &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init"}},
		Containers:     []corev1.Container{{Name: "web"}},
		EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger"}, TargetContainerName: "web"},
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "alone"}},
		},
	}}
}

// The newest attempt at the target is meant; without any the container waits with CreateContainerConfigError, as upstream.
func TestATargetIsTheNewestAttempt(t *testing.T) {
	pod := debugged()
	running := runtime.Pod{Containers: []runtime.Container{{Name: "web", ID: "new", Attempt: 1}, {Name: "web", ID: "old"},
		{Name: "init", ID: "init", Attempt: 7}}}
	id, err := sharesWith(pod, "debugger", running)
	require.NoError(t, err)
	require.Equal(t, "new", id)
	for _, name := range []string{"alone", "web", "init"} {
		id, err = sharesWith(pod, name, running)
		require.NoError(t, err)
		require.Empty(t, id, name)
	}
	_, err = sharesWith(pod, "debugger", runtime.Pod{})
	require.EqualError(t, err, "unable to find target container web")
	require.Equal(t, "CreateContainerConfigError", startReason(err))
}

func TestEventsNameTheListOfTheContainer(t *testing.T) {
	for name, path := range map[string]string{"init": "spec.initContainers{init}", "web": "spec.containers{web}",
		"debugger": "spec.ephemeralContainers{debugger}"} {
		require.Equal(t, path, runtime.FieldPath(debugged(), name))
	}
}
