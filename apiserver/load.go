package apiserver

import (
	"net/http"
	"sync"
)

// How many requests run at the same time; the rest are told to come again (429). Upstream's defaults. Watches and
// connections to something else do not count.
const (
	maxReads  = 400
	maxWrites = 200
)

// load is the requests that run now. Upstream parts them by priority and fairness: by levels and flows that queue. Here
// reads and writes are two lanes, and no user may fill one alone.
type load struct {
	mu     sync.Mutex
	reads  lane
	writes lane
}

// lane is the running requests of one kind.
type lane struct {
	places int
	taken  int
	of     map[string]int // by user; none is 0
}

func newLoad(reads, writes int) *load {
	return &load{reads: lane{places: reads, of: map[string]int{}}, writes: lane{places: writes, of: map[string]int{}}}
}

// share is how many places one user may have: a quarter is always there for the others.
func (l *lane) share() int { return l.places - l.places/4 }

// take is a place for one more of the user's requests, where there is one, and how to give it back.
func (l *load) take(method, user string) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := &l.writes
	if method == http.MethodGet || method == http.MethodHead {
		lane = &l.reads
	}
	if lane.taken >= lane.places || lane.of[user] >= lane.share() {
		return nil, false
	}
	lane.taken++
	lane.of[user]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		lane.taken--
		if lane.of[user]--; lane.of[user] == 0 {
			delete(lane.of, user)
		}
	}, true
}
