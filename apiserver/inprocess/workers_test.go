package inprocess

import (
	"bytes"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
)

// One goroutine answers what comes one after the other, more answer what comes at once, and those with nothing to do end.
func TestWorkers(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	stopping := make(chan struct{})
	h := newWorkers(clock, stopping)
	who := make(chan string)
	note := func() { who <- goroutine() }
	idle := func() { require.Eventually(t, clock.HasWaiters, 10*time.Second, time.Millisecond) }

	h.do(note)
	first := <-who
	idle()
	h.do(note)
	require.Equal(t, first, <-who, "a second goroutine was made while the first had nothing to do")
	idle()
	h.do(note)
	h.do(note) // the first is not done: nobody has heard it
	require.NotEqual(t, <-who, <-who, "two jobs were done by one, so that one waited")

	require.Eventually(t, func() bool { // how many wait cannot be asked
		clock.Step(workerIdle)
		select {
		case h.jobs <- note:
			<-who
			return false
		default:
			return !clock.HasWaiters()
		}
	}, 10*time.Second, time.Millisecond, "a worker waits for ever")

	h.do(note)
	<-who
	idle()
	close(stopping)
	require.Eventually(t, func() bool { return !clock.HasWaiters() }, 10*time.Second, time.Millisecond,
		"a worker outlives the server")
}

// What a worker has done it lets go: an answer may be large.
func TestIdleWorkersHoldNothing(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	stopping := make(chan struct{})
	defer close(stopping)
	h := newWorkers(clock, stopping)
	held := func() weak.Pointer[[]byte] {
		answer := make([]byte, 1<<20)
		h.do(func() { answer[0] = 1 })
		return weak.Make(&answer)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return clock.HasWaiters() && held.Value() == nil
	}, 10*time.Second, time.Millisecond, "a worker that waits keeps its last job")
}

// goroutine is the number of the goroutine that asks.
func goroutine() string {
	trace := make([]byte, 64)
	return string(bytes.Fields(trace[:runtime.Stack(trace, false)])[1])
}
