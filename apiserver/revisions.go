package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/api"
	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// serveRevisions shows the journal as a resource. It is read backwards from etcd's history, newest first, and nothing can
// be written to it.
func (s *Server) serveRevisions(r *request) error {
	switch r.verb {
	case "get":
		return s.getRevision(r)
	case "list":
		return s.listRevisions(r)
	case "watch":
		return s.watch(r)
	default:
		return apierrors.NewMethodNotSupported(r.gr(), r.verb)
	}
}

// mayRead reports whether the client may read the object that a revision is about: who may not, may not read either who
// did what to it, and why.
func (s *Server) mayRead(r *request, obj resources.Object) bool {
	about := obj.(*api.Revision)
	allowed, _ := s.authorizer.Authorize(auth.Attributes{
		User: r.user, Verb: "get", Group: about.APIGroup, Resource: about.Resource, Namespace: about.Namespace, Name: about.Name,
	})
	return allowed
}

// maxRevisions is how many revisions are listed where the client sets no limit: the newest ones.
const maxRevisions = 500

func (s *Server) listRevisions(r *request) error {
	q, err := s.listQuery(r)
	if err != nil {
		return err
	}
	if err := s.store.Fresh(r.Context()); err != nil {
		return err
	}
	limit := q.Limit
	if limit == 0 {
		limit = maxRevisions
	}
	f := &found{revision: s.store.Revision(), remaining: -1}
	from := r.past
	if r.past != 0 {
		f.revision = r.past
	}
	if q.from != nil {
		f.revision = q.from.Revision
		if from, err = strconv.ParseInt(q.from.Start, 10, 64); err != nil || f.revision == anyRevision {
			return notIssued()
		}
	}
	err = s.journal(r.Context(), q, from, func(rec store.Recorded) bool {
		entry := store.Unwritten(s.revisions, revisionOf(rec))
		if !q.matches(entry) {
			return true
		}
		if int64(len(f.entries)) == limit {
			f.next = &continuation{Revision: f.revision, Start: strconv.FormatInt(rec.Revision, 10), Issued: s.Clock.Now().Unix()}
			return false
		}
		f.entries = append(f.entries, entry)
		return true
	})
	if err != nil {
		return err
	}
	if q.Limit == 0 && f.next != nil {
		r.warn(fmt.Sprintf("the newest %d revisions are shown; set a limit to page through all of them", maxRevisions))
		f.next = nil
	}
	q.all = false // how many are left is not known
	return s.answerList(r, q, f)
}

// journal reads the entries that the query may choose, newest first: those about one object where it names one, else all.
func (s *Server) journal(ctx context.Context, q *query, from int64, each func(store.Recorded) bool) error {
	var values [4]string
	for i, name := range []string{"apiGroup", "resource", "namespace", "name"} {
		value, exact := q.fields.RequiresExactMatch(name)
		if !exact {
			return s.store.Journal(ctx, from, each)
		}
		values[i] = value
	}
	if from == 0 {
		from = s.store.Revision()
	}
	return s.store.JournalOf(ctx, store.Subject{Group: values[0], Resource: values[1], Namespace: values[2], Name: values[3]},
		from, each)
}

func (s *Server) getRevision(r *request) error {
	n, err := strconv.ParseInt(r.name, 10, 64)
	if err != nil || n <= 0 {
		return apierrors.NewNotFound(r.gr(), r.name)
	}
	if err := s.store.Fresh(r.Context()); err != nil {
		return err
	}
	if r.past != 0 && n > r.past {
		return store.ErrNotFound
	}
	rec, err := s.store.Entry(r.Context(), n)
	if errors.Is(err, store.ErrGone) {
		return s.notKept(r, n, s.store.Revision())
	}
	if err != nil {
		return err
	}
	revision := revisionOf(rec)
	if !s.mayRead(r, revision) {
		return apierrors.NewForbidden(r.gr(), r.name, fmt.Errorf("User %q cannot get what it is about", r.user.Name))
	}
	return s.answer(r, http.StatusOK, store.Unwritten(s.revisions, revision))
}

// revisionOf is the journal entry as clients read it.
func revisionOf(rec store.Recorded) resources.Object {
	revision := strconv.FormatInt(rec.Revision, 10)
	return &api.Revision{
		TypeMeta: metav1.TypeMeta{APIVersion: api.GroupVersion.String(), Kind: "Revision"},
		ObjectMeta: metav1.ObjectMeta{
			Name:              revision,
			ResourceVersion:   revision,
			CreationTimestamp: metav1.NewTime(rec.Time.Truncate(time.Second)),
		},
		Actor:       rec.Actor,
		Verb:        rec.Verb,
		APIGroup:    rec.Group,
		Resource:    rec.Resource,
		Namespace:   rec.Namespace,
		Name:        rec.Name,
		Subresource: rec.Subresource,
		Causes:      rec.Causes,
		Reason:      rec.Reason,
		Time:        metav1.NewMicroTime(rec.Time),
	}
}
