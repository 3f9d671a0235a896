package scheduler

import (
	"container/heap"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/scheduler/framework"
)

// parkedAtMost is how long a pod that fits nowhere waits before it is tried again although nothing seems to help it.
// (Upstream's DefaultPodMaxInUnschedulablePodsDuration.)
const parkedAtMost = 5 * time.Minute

// queue holds the pods that wait for a node. Each is in one of four places:
//
//   - active: to be decided next, by priority, then by who waits longest;
//   - parked: it fits nowhere, until the cluster changes in a way that may help it;
//   - backing off: it has been helped, and becomes active at a known time, or before if there is nothing else to do;
//   - failed: an attempt ended in an error, and it becomes active at a known time.
//
// It reads no clock: whoever calls says what time it is. The scheduler's lock guards it.
type queue struct {
	pods    map[types.UID]*queuedPod
	active  podHeap
	backoff podHeap
	failed  podHeap
	parked  map[types.UID]*queuedPod
	// The first back-off, doubled with each further attempt, and its bound.
	initial, most time.Duration
}

// queuedPod is a pod that waits.
type queuedPod struct {
	framework.Waiting // while it is parked

	pod      *corev1.Pod
	profile  *framework.Profile
	added    time.Time
	attempts int       // decisions so far
	until    time.Time // the end of the back-off
	parked   time.Time // since when, if it is parked
	message  string    // the last that was reported of it
	// nominatedAt is the pod's revision with the nomination that was written last.
	nominatedAt uint64
	reported    time.Time
	// held: room is being made for the pod, and it stays parked until that is written; woken: it would have been woken
	// meanwhile.
	held, woken bool

	heap  *podHeap // where it is; nil where parked or being worked on
	index int
}

func newQueue(initial, most time.Duration) *queue {
	return &queue{
		pods:    map[types.UID]*queuedPod{},
		parked:  map[types.UID]*queuedPod{},
		active:  podHeap{less: byPriority},
		backoff: podHeap{less: byEnd},
		failed:  podHeap{less: byEnd},
		initial: initial, most: most,
	}
}

func byPriority(a, b *queuedPod) bool { return framework.Before(a.pod, b.pod, a.added, b.added) }

func byEnd(a, b *queuedPod) bool { return a.until.Before(b.until) }

// add makes a pod active that is not here yet; of one that is, it takes the newer version. A pod whose requirements
// changed need not wait for the cluster to change.
func (q *queue) add(p *framework.Profile, pod *corev1.Pod, now time.Time) {
	item, ok := q.pods[pod.UID]
	if !ok {
		item = &queuedPod{pod: pod, profile: p, added: now}
		q.pods[pod.UID] = item
		q.move(item, &q.active)
		return
	}
	changed := !p.AskTheSame(item.pod, pod)
	item.pod = pod
	if changed && q.parked[pod.UID] != nil {
		q.wakeUp(item, now)
	}
}

// remove forgets the pod.
func (q *queue) remove(uid types.UID) {
	if item, ok := q.pods[uid]; ok {
		q.move(item, nil)
		delete(q.pods, uid)
		delete(q.parked, uid)
	}
}

// pop takes out the pod to decide next; nil where none is ready. Pods that back off because they did not fit are
// ready where there is nothing better to do: what made them wait has changed.
func (q *queue) pop(now time.Time) *queuedPod {
	for _, waiting := range []*podHeap{&q.backoff, &q.failed} {
		for waiting.Len() > 0 && !waiting.pods[0].until.After(now) {
			q.move(waiting.pods[0], &q.active)
		}
	}
	from := &q.active
	if from.Len() == 0 {
		from = &q.backoff
	}
	if from.Len() == 0 {
		return nil
	}
	item := from.pods[0]
	q.remove(item.pod.UID)
	item.attempts++
	return item
}

// park puts back a pod that fits nowhere, and for which the plugins are to blame.
func (q *queue) park(item *queuedPod, plugins []string, s *framework.Snapshot, now time.Time) {
	item.Waiting, item.parked = framework.NewWaiting(item.profile, s, item.pod, plugins), now
	item.until = now.Add(q.delay(item.attempts))
	q.pods[item.pod.UID], q.parked[item.pod.UID] = item, item
}

// retry puts back a pod whose attempt ended in an error.
func (q *queue) retry(item *queuedPod, now time.Time) {
	item.until = now.Add(q.delay(item.attempts))
	q.pods[item.pod.UID] = item
	q.move(item, &q.failed)
}

// delay is the back-off after so many attempts.
func (q *queue) delay(attempts int) time.Duration {
	delay := q.initial
	for ; attempts > 1 && delay < q.most; attempts-- {
		delay *= 2
	}
	return min(delay, q.most)
}

// wake moves on the parked pods that the event may help, and returns them. A pod that was nominated for the node looks
// at it again, whatever changed: it may have to look for another.
func (q *queue) wake(e framework.Event, s *framework.Snapshot, now time.Time) []types.UID {
	var woken []types.UID
	if e.Change == 0 {
		return nil
	}
	hint := s.Hint(e)
	for uid, item := range q.parked {
		if hint.Helps(&item.Waiting, item.pod) {
			q.wakeUp(item, now)
			woken = append(woken, uid)
		}
	}
	for _, uid := range hint.Nominated() {
		if q.tryAgain(uid, now) {
			woken = append(woken, uid)
		}
	}
	return woken
}

// flush moves on the pods that have been parked for too long.
func (q *queue) flush(now time.Time) {
	for _, item := range q.parked {
		if now.Sub(item.parked) >= parkedAtMost {
			q.wakeUp(item, now)
		}
	}
}

// tryAgain moves on the pod if it is parked, and reports whether it is.
func (q *queue) tryAgain(uid types.UID, now time.Time) bool {
	item := q.parked[uid]
	if item != nil {
		q.wakeUp(item, now)
	}
	return item != nil
}

// hold keeps a pod from being decided about again until what there is to write about it is written: an older report
// must not come after a newer binding.
func (q *queue) hold(item *queuedPod) {
	item.held = true
	q.pods[item.pod.UID] = item
}

// release lets a pod be woken that was held, and does so if there was reason to. It reports whether the pod still waits.
func (q *queue) release(item *queuedPod, now time.Time) bool {
	woken := item.woken
	item.held, item.woken = false, false
	if q.pods[item.pod.UID] != item {
		return false
	}
	if woken {
		q.wakeUp(item, now)
	}
	return true
}

func (q *queue) wakeUp(item *queuedPod, now time.Time) {
	if item.held {
		item.woken = true
		return
	}
	delete(q.parked, item.pod.UID)
	if item.until.After(now) {
		q.move(item, &q.backoff)
	} else {
		q.move(item, &q.active)
	}
}

// next is when the next pod becomes ready by itself; false where none will.
func (q *queue) next() (time.Time, bool) {
	var next time.Time
	for _, waiting := range []*podHeap{&q.backoff, &q.failed} {
		if waiting.Len() > 0 && (next.IsZero() || waiting.pods[0].until.Before(next)) {
			next = waiting.pods[0].until
		}
	}
	return next, !next.IsZero()
}

// move takes the pod from the heap it is in, and puts it into another, or into none.
func (q *queue) move(item *queuedPod, to *podHeap) {
	if item.heap != nil {
		heap.Remove(item.heap, item.index)
	}
	item.heap = to
	if to != nil {
		heap.Push(to, item)
	}
}

// podHeap is a heap for container/heap, whose pods know their index.
type podHeap struct {
	pods []*queuedPod
	less func(a, b *queuedPod) bool
}

func (h *podHeap) Len() int           { return len(h.pods) }
func (h *podHeap) Less(i, j int) bool { return h.less(h.pods[i], h.pods[j]) }

func (h *podHeap) Swap(i, j int) {
	h.pods[i], h.pods[j] = h.pods[j], h.pods[i]
	h.pods[i].index, h.pods[j].index = i, j
}

// Push adds a *queuedPod at the end, for container/heap alone.
func (h *podHeap) Push(item any) {
	pod := item.(*queuedPod)
	pod.index = len(h.pods)
	h.pods = append(h.pods, pod)
}

// Pop removes the last pod, for container/heap alone.
func (h *podHeap) Pop() any {
	last := len(h.pods) - 1
	item := h.pods[last]
	h.pods[last] = nil
	h.pods = h.pods[:last]
	return item
}

// idle says that pop would find nothing.
func (q *queue) idle(now time.Time) bool {
	return q.active.Len()+q.backoff.Len() == 0 && (q.failed.Len() == 0 || q.failed.pods[0].until.After(now))
}

// ready is the pod that pop would take out, and how many pods it could. It counts what pop would make active first.
func (q *queue) ready(now time.Time) (*corev1.Pod, int) {
	var first *queuedPod
	count := 0
	note := func(item *queuedPod) {
		count++
		if first == nil || byPriority(item, first) {
			first = item
		}
	}
	if q.active.Len() > 0 {
		note(q.active.pods[0])
		count = q.active.Len()
	}
	for _, waiting := range []*podHeap{&q.backoff, &q.failed} {
		for _, item := range waiting.pods {
			if !item.until.After(now) {
				note(item)
			}
		}
	}
	if first == nil && q.backoff.Len() > 0 {
		return q.backoff.pods[0].pod, q.backoff.Len()
	}
	if first == nil {
		return nil, 0
	}
	return first.pod, count
}
