// Package backoff is when a step that failed is tried again: restarts of containers, pulls, mounts and starts. All of it is pure.
package backoff

import "time"

// Upstream's back-offs: a container's restart and an image's pull are delayed by 10 s, then twice as long each time up
// to 5 min; a container that ran for 10 min starts over.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
const (
	// Initial is the first delay, Max the longest.
	Initial = 10 * time.Second
	Max     = 5 * time.Minute
	reset   = 10 * time.Minute

	// Retry is how long a container waits that could not be made, for example for want of a ConfigMap, and a
	// sandbox.
	Retry = 10 * time.Second
)

// BackOff delays a container's restarts. The zero value is a container that was never restarted: no delay.
type BackOff struct {
	Delay time.Duration
	// Updated is when the container was last restarted.
	Updated time.Time
}

// Until is when a container that ended at the given time may start again; not after that time means at once.
func (b BackOff) Until(ended time.Time) time.Time {
	if ended.Sub(b.Updated) > reset {
		return ended
	}
	return ended.Add(b.Delay)
}

// Restarted is the back-off after a restart at now of a container that ended at the given time.
func (b BackOff) Restarted(ended, now time.Time) BackOff {
	if b.Delay == 0 || ended.Sub(b.Updated) > reset {
		return BackOff{Delay: Initial, Updated: now}
	}
	return BackOff{Delay: Doubled(b.Delay, Initial, Max), Updated: now}
}

// Doubled is the delay after d: first, then twice d, at most limit.
func Doubled(d, first, limit time.Duration) time.Duration {
	if d == 0 {
		return first
	}
	return min(2*d, limit)
}

// Try is one step that can fail and be tried again.
type Try struct {
	Done bool
	// Reason and Message say how the last try failed; both are empty where none has.
	Reason, Message string
	// RetryAt is when to try again after a failure, Delay what was waited for it.
	RetryAt time.Time
	Delay   time.Duration
}
