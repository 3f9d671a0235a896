package apiserver

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
	"minik.dev/apiserver/inprocess"
)

// readPatience is how long a client may take to read a piece of an answer, while more of it waits. A client that reads nothing
// would hold the answer, and what it is made of, for ever.
const readPatience = 30 * time.Second

// recorder remembers the status code of an answer, and whether the client reads it.
type recorder struct {
	http.ResponseWriter
	code  int
	proto int // of HTTP
	// writing is since when a piece of the answer is being written, in nanoseconds; 0 while none is. It is followed where the client
	// is elsewhere: now is nil for a part of this process.
	writing atomic.Int64
	now     func() time.Time
	until   time.Time // the request's deadline; zero where it has none
	begun   bool      // a piece has been written

	mu    sync.Mutex
	ended bool // the handler has returned: the writer is somebody else's; guarded by mu
}

// WriteHeader, Write and FlushError are what http.ResponseController and handlers look for.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (written int, err error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	if r.inProcess() {
		return r.ResponseWriter.Write(b)
	}
	defer r.writing.Store(0)
	for first := true; err == nil && (first || written < len(b)); first = false {
		if r.begun && !r.until.IsZero() && r.now().After(r.until) {
			return written, context.DeadlineExceeded // what begins after it says so
		}
		r.begun = true
		r.begin()
		var n int
		n, err = r.ResponseWriter.Write(b[written:min(len(b), written+piece)])
		written += n
	}
	return written, err
}

// FlushError sends what is held back.
func (r *recorder) FlushError() error {
	flusher, ok := r.ResponseWriter.(interface{ FlushError() error })
	if !ok { // net/http's and inprocess.Answer are such
		return http.NewResponseController(r.ResponseWriter).Flush()
	}
	r.begin()
	err := flusher.FlushError()
	r.writing.Store(0)
	return err
}

// begin notes that a piece is being written from now on.
func (r *recorder) begin() {
	if r.now != nil {
		r.writing.Store(r.now().UnixNano())
	}
}

// Switched notes that the connection was taken over for another protocol.
func (r *recorder) Switched() { r.code = http.StatusSwitchingProtocols }

// Unwrap lets http.ResponseController find Hijack and the deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// newRecorder records an answer.
func newRecorder(w http.ResponseWriter, req *http.Request, clock clock.PassiveClock) *recorder {
	if _, inProcess := w.(*inprocess.Answer); inProcess {
		return &recorder{ResponseWriter: w}
	}
	return &recorder{ResponseWriter: w, proto: req.ProtoMajor, now: clock.Now}
}

// inProcess reports whether the client is a part of this process, which is not waited for over a network.
func (r *recorder) inProcess() bool { return r.now == nil }

// cutOff ends the answer if a piece of it has been waiting since before the time.
func (r *recorder) cutOff(before time.Time) bool {
	since := r.writing.Load()
	if since == 0 || since >= before.UnixNano() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	return http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)) == nil // long ago
}

// start undoes what end did to a connection that is used again.
func (r *recorder) start() {
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Time{}) // where there are none there is no network
}

// end says that the handler returns. What is held back of the answer is written then, and waited for as long as any piece.
func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(r.realNow().Add(readPatience)) // as in start
}

// realNow is the time by which connections live, whatever the cluster's clock says.
func (r *recorder) realNow() time.Time { return time.Now() } //nolint:forbidigo // see above

// answers are those that are being written to clients elsewhere.
type answers struct {
	mu  sync.Mutex
	all map[*recorder]struct{} // guarded by mu
}

func newAnswers() *answers { return &answers{all: map[*recorder]struct{}{}} }

// begin follows the answer until what it returns is called.
func (a *answers) begin(out *recorder) (end func()) {
	if out.inProcess() {
		return func() {}
	}
	if out.proto == 1 {
		out.start()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[out] = struct{}{}
	return func() {
		out.end()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.all, out)
	}
}

// cutOff ends the answers of which a piece has been waiting since before the time, and says how many they are.
func (a *answers) cutOff(before time.Time) (n int) {
	a.mu.Lock()
	all := slices.Collect(maps.Keys(a.all))
	a.mu.Unlock()
	for _, out := range all {
		if out.cutOff(before) {
			n++
		}
	}
	return n
}

// cutOffUnread ends answers that are not read, until ctx ends.
func (s *Server) cutOffUnread(ctx context.Context) error {
	ticker := s.Clock.NewTicker(readPatience / 6)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C():
			if n := s.answers.cutOff(now.Add(-readPatience)); n > 0 {
				s.Logger.Info("answers were not read and are cut off", "component", "apiserver", "answers", n, "patience", readPatience)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
