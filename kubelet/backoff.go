package kubelet

import "time"

// Upstream's back-offs: a container's restart and an image's pull are delayed by 10 s, then twice as long each time up
// to 5 min; a container that ran for 10 min starts over. A mount is tried again after 500 ms, doubled up to 2 min 2 s.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
const (
	initialBackOff = 10 * time.Second
	maxBackOff     = 5 * time.Minute
	resetBackOff   = 10 * time.Minute

	initialMountBackOff = 500 * time.Millisecond
	maxMountBackOff     = 2*time.Minute + 2*time.Second

	// retryStart is how long a container waits that could not be made, for example for want of a ConfigMap, and a
	// sandbox.
	retryStart = 10 * time.Second

	// errImagePullShown is how long ErrImagePull is reported before ImagePullBackOff. Upstream shows it until its next
	// look at the pod, after some seconds.
	errImagePullShown = 2 * time.Second
)

// BackOff delays a container's restarts. The zero value is a container that was never restarted: no delay.
type BackOff struct {
	Delay time.Duration
	// Updated is when the container was last restarted.
	Updated time.Time
}

// until is when a container that ended at the given time may start again; not after that time means at once.
func (b BackOff) until(ended time.Time) time.Time {
	if ended.Sub(b.Updated) > resetBackOff {
		return ended
	}
	return ended.Add(b.Delay)
}

// Restarted is the back-off after a restart at now of a container that ended at the given time.
func (b BackOff) Restarted(ended, now time.Time) BackOff {
	if b.Delay == 0 || ended.Sub(b.Updated) > resetBackOff {
		return BackOff{Delay: initialBackOff, Updated: now}
	}
	return BackOff{Delay: doubled(b.Delay, initialBackOff, maxBackOff), Updated: now}
}

// doubled is the delay after d: first, then twice d, at most limit.
func doubled(d, first, limit time.Duration) time.Duration {
	if d == 0 {
		return first
	}
	return min(2*d, limit)
}
