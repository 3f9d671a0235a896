package inprocess

import (
	"time"

	"k8s.io/utils/clock"
)

// workerIdle is how long a worker waits for more to do.
const workerIdle = 10 * time.Second

// workers are goroutines that answer one request after the other. The stack of a new one is small, and to answer needs a deep
// one: letting it grow anew for each request took a twentieth of the CPU time of a busy cluster.
type workers struct {
	clock    clock.Clock
	jobs     chan func() // unbuffered: taken by those that are idle only
	stopping <-chan struct{}
}

func newWorkers(clock clock.Clock, stopping <-chan struct{}) *workers {
	return &workers{clock: clock, jobs: make(chan func()), stopping: stopping}
}

// do has the job done by a worker that is idle, or else by a new one: it does not wait.
func (w *workers) do(job func()) {
	select {
	case w.jobs <- job:
	default:
		go w.work(job)
	}
}

// work does one job after the other. It is a function of its own so that nothing holds the last one, and its answer, while the
// next is waited for.
func (w *workers) work(job func()) {
	for job != nil {
		job()
		job = w.next()
	}
}

// next waits for a job. It is nil when none came, or the server stops.
func (w *workers) next() func() {
	patience := w.clock.NewTimer(workerIdle)
	defer patience.Stop()
	select {
	case job := <-w.jobs:
		return job
	case <-patience.C():
	case <-w.stopping:
	}
	return nil
}
