package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// Of tolerations of which one covers the other only the wide one stays.
func TestMergedTolerations(t *testing.T) {
	gpu := corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists}
	large := corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpEqual, Value: "large", Effect: corev1.TaintEffectNoSchedule}
	minute := corev1.Toleration{Key: "gone", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
		TolerationSeconds: ptr.To[int64](60)}
	hour := *minute.DeepCopy()
	hour.TolerationSeconds = ptr.To[int64](3600)
	everything := corev1.Toleration{Operator: corev1.TolerationOpExists}
	type list []corev1.Toleration
	for _, c := range []struct{ first, second, want list }{
		{nil, nil, nil},
		{list{gpu}, list{gpu}, list{gpu}},
		{list{large}, list{gpu}, list{gpu}},
		{list{gpu}, list{large, minute}, list{gpu, minute}},
		{list{hour}, list{minute}, list{hour}},
		{list{large}, list{minute}, list{large, minute}},
		{list{large, minute}, list{everything}, list{everything}},
	} {
		require.Equal(t, []corev1.Toleration(c.want), mergedTolerations(c.first, c.second))
	}
}
