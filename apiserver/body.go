package apiserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/auth"
)

const (
	// maxBody bounds a request's body, in bytes, as upstream does.
	maxBody = 3 << 20
	// bodyGrace and bodyRate, in bytes a second, are how long a body may take to come: who sends a byte now and then holds
	// nothing for long.
	bodyGrace = 10 * time.Second
	bodyRate  = 16 << 10
	// bodiesBytes is what the bodies of all requests that run may take together, and scarceBodiesBytes the same where memory is
	// short: what is made of a body takes several times as much.
	bodiesBytes       = 64 << 20
	scarceBodiesBytes = 8 << 20
)

// bodyDue is how long a body may have taken when so many bytes of it are there.
func bodyDue(n int, grace time.Duration) time.Duration {
	return grace + time.Duration(n)*time.Second/bodyRate
}

// readBody reads the request's body whole, before the request takes a place among those that run. What it returns gives the
// room back that the body has among those of all requests.
func (s *Server) readBody(r *request) (_ func(), err error) {
	if r.Body == nil || r.Body == http.NoBody || r.longRunning() || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return func() {}, nil
	}
	size := 0
	room := s.bodies
	if auth.Component(r.user) {
		room = s.ownBodies
	}
	giveBack := func() { room.give(r.user.Name, size) }
	defer func() {
		if err != nil {
			giveBack()
		}
	}()
	deadline := newBodyDeadline(r.w, s.bodies.grace)
	var all bytes.Buffer
	all.Grow(int(min(max(r.ContentLength, 0), 32<<10)) + bytes.MinRead)
	in := http.MaxBytesReader(r.w, r.Body, maxBody)
	for {
		deadline.extend(all.Len())
		n, err := in.Read(all.AvailableBuffer()[:all.Available()])
		all.Write(all.AvailableBuffer()[:n]) // moves nothing: it is there already
		if !room.take(r.user.Name, n) {
			return nil, tooMany(r)
		}
		size += n
		switch {
		case errors.Is(err, io.EOF):
			deadline.clear()
			r.content, r.contentRead = all.Bytes(), true
			return giveBack, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, apierrors.NewBadRequest("the request's body ended before all of it had come")
		case errors.Is(err, os.ErrDeadlineExceeded):
			if r.ProtoMajor == 1 {
				r.w.Header().Set("Connection", "close") // nobody waits for the rest
			}
			return nil, slowBody(all.Len(), s.bodies.grace)
		case errors.As(err, new(*http.MaxBytesError)):
			return nil, err
		case err != nil: // it is no body, or the client has gone
			return nil, apierrors.NewBadRequest(fmt.Sprintf("reading the request's body: %v", err))
		}
		all.Grow(bytes.MinRead)
	}
}

// body is the request's body; it has been read before the request was let in.
func (r *request) body() ([]byte, error) {
	if r.contentRead {
		return r.content, nil
	}
	return io.ReadAll(r.Body)
}

// slowBody refuses a request whose body does not come.
func slowBody(n int, grace time.Duration) error {
	e := apierrors.NewGenericServerResponse(http.StatusRequestTimeout, "", schema.GroupResource{}, "", "", 0, false)
	e.ErrStatus.Reason = metav1.StatusReasonTimeout
	e.ErrStatus.Message = fmt.Sprintf("the request's body does not come: %d bytes have after %s, and %d a second have to", n,
		bodyDue(n, grace).Round(time.Second), bodyRate)
	return e
}

// bodyDeadline is until when the connection waits for the rest of a body.
type bodyDeadline struct {
	connection *http.ResponseController // nil where the request comes from this process
	grace      time.Duration
	began, set time.Time
}

func newBodyDeadline(w http.ResponseWriter, grace time.Duration) *bodyDeadline {
	d := &bodyDeadline{grace: grace, began: time.Now()} //nolint:forbidigo // connections live in real time, whatever the cluster's clock says
	if out, ok := w.(*recorder); ok && !out.inProcess() {
		d.connection = http.NewResponseController(w)
	}
	return d
}

// extend moves the deadline, if that is worth the while, to when the next part of the body has to be there.
func (d *bodyDeadline) extend(n int) {
	due := d.began.Add(bodyDue(n, d.grace))
	if d.connection == nil || due.Sub(d.set) < d.grace/10 {
		return
	}
	d.set = due
	_ = d.connection.SetReadDeadline(due) // where there are no deadlines there is no network
}

func (d *bodyDeadline) clear() {
	if !d.set.IsZero() {
		_ = d.connection.SetReadDeadline(time.Time{})
	}
}

// bodies is the room that the bodies of all requests have together. No user may fill it alone.
type bodies struct {
	grace time.Duration // bodyGrace

	mu    sync.Mutex
	bytes int            // guarded by mu
	taken int            // guarded by mu
	of    map[string]int // by user; none is 0; guarded by mu
}

func newBodies(bytes int) *bodies {
	return &bodies{grace: bodyGrace, bytes: bytes, of: map[string]int{}}
}

// bound changes how much room there is; who has some keeps it.
func (b *bodies) bound(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = bytes
}

// take takes room for n more bytes of the user's, if there is some: a quarter is always there for the others.
func (b *bodies) take(user string, n int) bool {
	if n == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken+n > b.bytes || b.of[user]+n > b.bytes-b.bytes/4 {
		return false
	}
	b.taken += n
	b.of[user] += n
	return true
}

func (b *bodies) give(user string, n int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken -= n
	if b.of[user] -= n; b.of[user] == 0 {
		delete(b.of, user)
	}
}
