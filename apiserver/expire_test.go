package apiserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An Event is kept for an hour after it was last seen, in whichever of its fields says so.
func TestEventsExpireAnHourAfterTheyWereLastSeen(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	long, recent := now.Add(-2*time.Hour), now.Add(-30*time.Minute)
	event := func(change func(*corev1.Event)) *corev1.Event {
		e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(long)}}
		change(e)
		return e
	}
	for name, c := range map[string]struct {
		change func(*corev1.Event)
		want   bool
	}{
		"made long ago":           {func(*corev1.Event) {}, true},
		"made a while ago":        {func(e *corev1.Event) { e.CreationTimestamp = metav1.NewTime(recent) }, false},
		"seen again since":        {func(e *corev1.Event) { e.LastTimestamp = metav1.NewTime(recent) }, false},
		"seen by the new API":     {func(e *corev1.Event) { e.EventTime = metav1.NewMicroTime(recent) }, false},
		"a series that goes on":   {func(e *corev1.Event) { e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(recent)} }, false},
		"a series that has ended": {func(e *corev1.Event) { e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(long)} }, true},
	} {
		require.Equal(t, c.want, expired(event(c.change), now), name)
	}
}
