package journal

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Timer stands among the causes of a write that a clock caused and no event.
const Timer = "timer"

// maxCauses bounds the revisions remembered for one key: a key that is enqueued by more events between two successes
// keeps the newest.
const maxCauses = 16

// Cause says what made a component act: the revisions of the events since its last success, newest first. The zero value
// is no cause at all, as for a write from outside; Timer is a clock's doing.
type Cause struct {
	Revisions []int64
	Timer     bool
}

// String is the cause as the header carries it: "1234,1230", "timer", or nothing.
func (c Cause) String() string { return strings.Join(c.Strings(), ",") }

// Strings is the cause as api.Revision lists it.
func (c Cause) Strings() []string {
	var out []string
	for _, r := range c.Revisions {
		out = append(out, strconv.FormatInt(r, 10))
	}
	if c.Timer {
		out = append(out, Timer)
	}
	return out
}

// ParseCause reads what String wrote. It refuses anything but at most maxCauses positive decimal revisions and "timer".
func ParseCause(s string) (Cause, error) {
	var c Cause
	if s == "" {
		return c, nil
	}
	parts := strings.Split(s, ",")
	if len(parts) > maxCauses+1 {
		return Cause{}, fmt.Errorf("%s: %d causes, at most %d are taken", CauseHeader, len(parts), maxCauses+1)
	}
	for _, part := range parts {
		if part == Timer {
			c.Timer = true
			continue
		}
		r, err := strconv.ParseInt(part, 10, 64)
		if err != nil || r <= 0 {
			return Cause{}, fmt.Errorf("%s: %q is neither a revision nor %q", CauseHeader, part, Timer)
		}
		c.Revisions = append(c.Revisions, r)
	}
	return c, nil
}

// Causes remembers for each key the revisions that enqueued it since it was last taken. The zero value is ready; it is
// safe for concurrent use.
type Causes[K comparable] struct {
	mu   sync.Mutex
	keys map[K][]int64 // newest first, at most maxCauses, no revision twice
}

// Add notes that the event of an object at resourceVersion enqueued the key. A resourceVersion that is no revision (an
// object that was never stored) is passed over.
func (c *Causes[K]) Add(key K, resourceVersion string) {
	r, err := strconv.ParseInt(resourceVersion, 10, 64)
	if err != nil || r <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = map[K][]int64{}
	}
	c.keys[key] = merge(c.keys[key], r)
}

// Take returns the key's cause and forgets it. Where nothing was noted since the last time, a clock made the loop act.
func (c *Causes[K]) Take(key K) Cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	revisions := c.keys[key]
	delete(c.keys, key)
	return Cause{Revisions: revisions, Timer: len(revisions) == 0}
}

// Return gives back a cause that led to nothing because the attempt failed, so that the next attempt names it again.
func (c *Causes[K]) Return(key K, cause Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = map[K][]int64{}
	}
	for _, r := range cause.Revisions {
		c.keys[key] = merge(c.keys[key], r)
	}
}

// merge puts r where it belongs among the revisions, newest first.
func merge(revisions []int64, r int64) []int64 {
	at := 0
	for at < len(revisions) && revisions[at] > r {
		at++
	}
	if at < len(revisions) && revisions[at] == r {
		return revisions
	}
	revisions = append(revisions, 0)
	copy(revisions[at+1:], revisions[at:])
	revisions[at] = r
	if len(revisions) > maxCauses {
		revisions = revisions[:maxCauses]
	}
	return revisions
}
