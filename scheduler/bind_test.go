package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestAssumptionsKeepTheirSequencesInOrder(t *testing.T) {
	a := assumptions{pods: map[types.UID]assumption{}}
	for i, uid := range []types.UID{"a", "b", "c", "b", "d"} {
		a.add(assumption{sequence: uint64(i + 1), pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}}})
	}
	require.Equal(t, []uint64{1, 3, 4, 5}, a.sequences)
	one, ok := a.remove("c")
	require.True(t, ok)
	require.Equal(t, uint64(3), one.sequence)
	_, ok = a.remove("c")
	require.False(t, ok)
	require.True(t, a.has("b"))
	require.False(t, a.has("c"))
	require.Equal(t, "1,4-5", ranges(a.sequences))
}
