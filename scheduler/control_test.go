package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

// What ready names is what pop takes out, whatever the queue holds; and it is idle when there is none.
func TestReadyIsWhatPopTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		q := newQueue(time.Second, 10*time.Second)
		for i := range rapid.IntRange(0, 12).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			uid := types.UID(rune('a' + i))
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid, Name: string(uid)}}
			item := &queuedPod{pod: pod, added: now, attempts: rapid.IntRange(1, 3).Draw(t, "attempts")}
			switch rapid.SampledFrom([]string{"active", "backoff", "failed"}).Draw(t, "where") {
			case "active":
				q.pods[uid] = item
				q.move(item, &q.active)
			case "backoff":
				item.until = now.Add(q.delay(item.attempts))
				q.pods[uid] = item
				q.move(item, &q.backoff)
			case "failed":
				q.retry(item, now)
			}
		}
		for {
			pod, count := q.ready(now)
			require.Equal(t, pod == nil, q.idle(now))
			popped := q.pop(now)
			if popped == nil {
				require.Nil(t, pod)
				return
			}
			require.Equal(t, popped.pod.Name, pod.Name)
			require.Positive(t, count)
		}
	})
}
