package apiserver

import (
	"time"

	"k8s.io/utils/clock"
)

// handIdle is how long a hand waits for more to do.
const handIdle = 10 * time.Second

// hands are goroutines that answer one request after the other. The stack of a new one is small, and to answer needs a deep
// one: to let it grow anew for each request was a twentieth of the CPU time of a busy cluster.
type hands struct {
	clock    clock.Clock
	jobs     chan func() // unbuffered: taken by those that are idle only
	stopping <-chan struct{}
}

func newHands(clock clock.Clock, stopping <-chan struct{}) *hands {
	return &hands{clock: clock, jobs: make(chan func()), stopping: stopping}
}

// do has the job done by a hand that is idle, or else by a new one: it does not wait.
func (h *hands) do(job func()) {
	select {
	case h.jobs <- job:
	default:
		go h.work(job)
	}
}

// work does one job after the other. It is a function of its own so that nothing holds the last one, and its answer, while the
// next is waited for.
func (h *hands) work(job func()) {
	for job != nil {
		job()
		job = h.next()
	}
}

// next waits for a job. It is nil when none came, or the server stops.
func (h *hands) next() func() {
	patience := h.clock.NewTimer(handIdle)
	defer patience.Stop()
	select {
	case job := <-h.jobs:
		return job
	case <-patience.C():
	case <-h.stopping:
	}
	return nil
}
