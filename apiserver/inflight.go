package apiserver

import (
	"context"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"minik.dev/apiserver/auth"
)

// How many requests run at the same time; the rest are told to come again (429). Upstream's defaults. Watches and
// connections to something else do not count.
const (
	maxReads  = 400
	maxWrites = 200
)

// load is the requests that run now. Upstream parts them by priority and fairness: by levels and flows that queue. Here
// reads and writes are two lanes, and no user may fill one alone. The components of the control plane and the nodes have lanes
// of their own, as upstream has levels for them: however much others ask for, a node says in time that it is there.
type load struct {
	mu     sync.Mutex
	reads  lane
	writes lane
	// ownReads and ownWrites are those of minik's components and nodes.
	ownReads, ownWrites lane
}

// lane is the running requests of one kind.
type lane struct {
	places int
	taken  int
	of     map[string]int // by user; none is 0
}

func newLoad(reads, writes int) *load {
	lane := func(places int) lane { return lane{places: places, of: map[string]int{}} }
	return &load{reads: lane(reads), writes: lane(writes), ownReads: lane(reads), ownWrites: lane(writes)}
}

// share is how many places one user may have: a quarter is always there for the others.
func (l *lane) share() int { return l.places - l.places/4 }

// laneOf is where the user's requests run.
func (l *load) laneOf(method string, user auth.User) *lane {
	reads := method == http.MethodGet || method == http.MethodHead
	switch own := auth.Component(user); {
	case own && reads:
		return &l.ownReads
	case own:
		return &l.ownWrites
	case reads:
		return &l.reads
	default:
		return &l.writes
	}
}

// take is a place for one more of the user's requests, where there is one, and how to give it back.
func (l *load) take(method string, user auth.User) (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane, name := l.laneOf(method, user), user.Name
	if lane.taken >= lane.places || lane.of[name] >= lane.share() {
		return nil, false
	}
	lane.taken++
	lane.of[name]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		lane.taken--
		if lane.of[name]--; lane.of[name] == 0 {
			delete(lane.of, name)
		}
	}, true
}

// takePlace takes a place among the requests that run at the same time, or says that there is none, and sets the request's
// deadline. What it returns gives the place back.
func (s *Server) takePlace(r *request) (func(), error) {
	if r.longRunning() || r.resource == "" {
		return nil, nil
	}
	timeout, err := r.timeout()
	if err != nil {
		return nil, err
	}
	release, ok := s.load.take(r.Method, r.user)
	if !ok {
		return nil, tooMany(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	r.Request = r.WithContext(ctx)
	if out, ok := r.w.(*recorder); ok {
		out.until = r.received.Add(timeout) // an answer that takes longer to be read breaks off, as upstream's
	}
	return func() { cancel(); release() }, nil
}

// tooMany asks the client to come again in a second.
func tooMany(r *request) error {
	r.w.Header().Set("Retry-After", "1")
	return apierrors.NewTooManyRequests("too many requests, please try again later", 1)
}
