package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/store"
)

// Every read of the API exists a second time below /at/<revision>: the same path, answered from etcd's history. So whoever
// points a client's server at https://…/at/1234 opens the cluster as it was. Who may read what is judged by today's rights.

// pastPrefix begins the paths of the past.
const pastPrefix = "/at/"

// noRevision stands for what is written in a revision's place and can't be one.
const noRevision = -1

// pastOf is the revision that a path names, and the path below it; 0 where it asks for the present.
func pastOf(path string) (revision int64, below string) {
	rest, ok := strings.CutPrefix(path, pastPrefix)
	if !ok {
		return 0, path
	}
	number, below, _ := strings.Cut(rest, "/")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil || revision <= 0 {
		revision = noRevision
	}
	return revision, "/" + below
}

// withPath is the request for another path.
func withPath(req *http.Request, path string) *http.Request {
	out := req.Clone(req.Context())
	out.URL.Path, out.URL.RawPath = path, ""
	return out
}

// openPast lets a request for the past through if it reads something that is kept. Discovery, the schemas and the version
// are the same at every revision, and are answered at any: so a client comes as far as the question whose answer says what
// is wrong.
func (s *Server) openPast(r *request) (func(), error) {
	switch {
	case r.past == 0:
		return nil, nil
	case r.past == noRevision && r.resource != "":
		return nil, apierrors.NewBadRequest("what follows /at/ in the server's address is no revision: it is a number, as " +
			"`kubectl get revisions` lists them")
	case r.passedOn():
		return nil, notAllowed(fmt.Sprintf("%s of the past is not kept: the objects of revision %d are, what their containers "+
			"wrote and served is not; leave /at/%[2]d out of the server's address to ask the present", r.subresource, r.past))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return nil, notAllowed(fmt.Sprintf("%s is refused: revision %d is past, and the past can be read and not be changed; leave "+
			"/at/%[2]d out of the server's address to write to the present", r.verb, r.past))
	case r.resource == "" && ofThePresent(r.URL.Path):
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s tells of the present alone: leave /at/%d out of the server's address",
			r.URL.Path, r.past))
	case r.resource == "":
		return nil, nil
	}
	return nil, s.kept(r)
}

// ofThePresent are the paths of what is not kept: health, metrics, profiles.
func ofThePresent(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"healthz", "livez", "readyz", "metrics", "debug"}, first)
}

func notAllowed(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusMethodNotAllowed, Reason: metav1.StatusReasonMethodNotAllowed,
		Message: message,
	}}
}

// kept reports whether the revision that is asked for can be read, and else which can.
func (s *Server) kept(r *request) error {
	if err := s.store.Fresh(r.Context()); err != nil {
		return err
	}
	newest := s.store.Revision()
	if r.past <= newest {
		if kept, err := s.store.Kept(r.Context(), r.past); err != nil || kept {
			return err
		}
	}
	return s.notKept(r, r.past, newest)
}

// notKept says which revisions can be read instead of one that can't.
func (s *Server) notKept(r *request, revision, newest int64) error {
	if restore, to := s.store.TakenBack(revision); restore != 0 {
		return apierrors.NewResourceExpired(fmt.Sprintf("revision %d was taken back: revision %d restored the snapshot of revision %d",
			revision, restore, to))
	}
	oldest, err := s.store.Oldest(r.Context())
	if err != nil {
		return err
	}
	if revision > newest {
		return apierrors.NewBadRequest(fmt.Sprintf("revision %d is still to come: history reaches from revision %d to %d", revision,
			oldest, newest))
	}
	return apierrors.NewResourceExpired(fmt.Sprintf("revision %d is not kept any more: history reaches from revision %d to %d",
		revision, oldest, newest))
}

// tooNew refuses a resourceVersion that is later than the revision that is asked for.
func (r *request) tooNew(at int64) error {
	if at <= r.past {
		return nil
	}
	return fmt.Errorf("%w: %d, at revision %d", store.ErrFuture, at, r.past)
}

// getPast answers with one object as it was.
func (s *Server) getPast(r *request, at int64) error {
	if err := r.tooNew(at); err != nil {
		return err
	}
	entry, err := s.store.GetAt(r.Context(), r.row, r.namespace, r.name, r.past)
	if err != nil {
		return err
	}
	return s.answer(r, http.StatusOK, entry)
}

// collectPast finds what was there. A list of the past stays as it is, so there is one revision that it can be of, unless
// the client insists on an earlier one.
func (s *Server) collectPast(r *request, q *query, at int64) (*found, error) {
	revision, start := r.past, ""
	if err := r.tooNew(at); err != nil {
		return nil, err
	}
	if q.ResourceVersionMatch == metav1.ResourceVersionMatchExact {
		revision = at
	}
	if q.from != nil {
		if !strings.HasPrefix(q.from.Start, store.Range(r.row, r.namespace)) {
			return nil, notIssued()
		}
		start = q.from.Start
	}
	return s.collectAt(r, q, revision, start)
}

// startPast finds where a watch of the past starts: with what was there, or after a revision. What has happened since is
// replayed, and then the watch goes on with what happens.
func (s *Server) startPast(r *request, q *query, at int64) (*beginning, error) {
	start := &beginning{after: at}
	initial := ptr.Deref(q.SendInitialEvents, at == 0)
	if at == 0 || initial {
		start.after = r.past
	}
	if newest := s.store.Revision(); start.after > newest {
		return nil, fmt.Errorf("%w: %d, current: %d", store.ErrFuture, start.after, newest)
	}
	if kept, err := s.store.Kept(r.Context(), start.after); err != nil || !kept {
		return nil, errors.Join(err, fmt.Errorf("%w: revision %d is not kept any more", store.ErrGone, start.after))
	}
	if !initial || r.row == s.revisions { // the journal has no state to begin with: it is the changes
		return start, nil
	}
	if err := s.tellTime(r); err != nil {
		return nil, err
	}
	err := s.store.ListAt(r.Context(), r.row, r.namespace, r.past, "", func(e *store.Entry) bool {
		if q.matches(e) {
			start.initial = append(start.initial, e)
		}
		return true
	})
	if q.SendInitialEvents != nil && q.AllowWatchBookmarks {
		start.bookmark = r.past
	}
	return start, err
}

// replay sends what has happened after the revision, until there is a watcher that goes on from where the replay ended. It
// returns nil where the watch is over.
func (w *watcher) replay(after int64) *store.Watcher {
	for {
		upTo := w.s.store.Revision()
		lost := false
		err := w.s.store.Replay(w.r.Context(), w.r.row, after, upTo, func(e *store.Event) bool {
			if w.r.past != 0 {
				if w.r.then = e.At; e.At.IsZero() {
					w.r.then = lastWritten(e.Entry.Object)
				}
			}
			select {
			case <-w.s.stopping:
				lost = true
			default:
				lost = w.event(e) != nil
			}
			return !lost
		})
		if lost || w.r.Context().Err() != nil {
			return nil
		}
		if err != nil {
			w.gone(err)
			return nil
		}
		if w.out.flush() != nil {
			return nil
		}
		w.r.then, w.r.past = time.Time{}, 0 // from here on it is the present
		from, err := w.s.store.Watch(w.r.row, upTo, w.q.indexed)
		switch {
		case err == nil:
			return from
		case !errors.Is(err, store.ErrGone): // the replay took so long that the window has moved on: once more
			w.gone(err)
			return nil
		}
		after = upTo
	}
}

// tellTime finds out what time it was at the revision that is asked for: ages are shown as they were then.
func (s *Server) tellTime(r *request) error {
	if r.past == 0 || !r.then.IsZero() {
		return nil
	}
	then, err := s.store.TimeAt(r.Context(), r.past)
	if err != nil {
		return err
	}
	if then.IsZero() {
		then = time.Unix(0, 0) // what the objects say of themselves is later
	}
	r.then = then
	return nil
}

// now is what time it is where the object is shown. Leases and Events leave no journal entry to tell the time by, so what
// the object itself says counts as well.
func (r *request) now(clock time.Time, obj metav1.Object) time.Time {
	if r.then.IsZero() || obj == nil {
		return clock
	}
	if written := lastWritten(obj); written.After(r.then) {
		return written
	}
	return r.then
}

// lastWritten is when the object was written last, as far as it says itself.
func lastWritten(obj metav1.Object) time.Time {
	last := obj.GetCreationTimestamp().Time
	for _, field := range obj.GetManagedFields() {
		if field.Time != nil && field.Time.After(last) {
			last = field.Time.Time
		}
	}
	return last
}
