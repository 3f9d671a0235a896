package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// answer answers with one object of the stored version, as the client wants to see it.
func (s *Server) answer(r *request, code int, entry *store.Entry) error {
	m, err := negotiate(r.Request, offer{proto: hasProto(entry.Object), table: true})
	if err != nil {
		return err
	}
	var body []byte
	switch {
	case m.As == "Table":
		table, err := s.tableOf(r, m, []*store.Entry{entry})
		if err != nil {
			return err
		}
		table.ResourceVersion = entry.Object.GetResourceVersion()
		s.write(r, m, code, table)
		return nil
	case r.served != nil:
		obj := r.out(entry.Object)
		if m.As != "" {
			s.write(r, m, code, partial(obj, m.AsVersion))
			return nil
		}
		s.write(r, m, code, obj)
		return nil
	case m.As != "" && (m.Type == mediaYAML || m.Pretty):
		s.write(r, m, code, partial(entry.Object, m.AsVersion))
		return nil
	}
	if body, err = m.entryBytes(entry); err != nil {
		return err
	}
	s.send(r, m, code, body)
	return nil
}

// success is the Status that answers a deletion.
func success(r *request, uid types.UID) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess,
		Details:  &metav1.StatusDetails{Name: r.name, Group: r.group, Kind: r.resource, UID: uid},
	}
}

// plain answers with an object that has no row: a Status, a Scale.
func (s *Server) plain(r *request, code int, obj runtime.Object) error {
	_, status := obj.(*metav1.Status) // it is as it is, however it is asked for (upstream)
	object, named := obj.(resources.Object)
	own := named && r.part() && r.sub.Kind.Empty() // the object itself, shown by a part of it
	table := status || own || r.part() && r.sub.Cells != nil
	m, err := negotiate(r.Request, offer{proto: hasProto(obj), table: table})
	if err != nil {
		return err
	}
	shown := obj
	switch {
	case status:
	case m.As == "Table" && own:
		shown, err = s.tableOf(r, m, []*store.Entry{store.Unwritten(r.row, object)})
	case m.As == "Table":
		shown, err = s.partTable(r, m, obj)
	case m.As != "" && named:
		shown = partial(object, m.AsVersion)
	}
	if err != nil {
		return err
	}
	s.write(r, m, code, shown)
	return nil
}

// answerDry answers with an object as it would have been written.
func (s *Server) answerDry(r *request, code int, obj resources.Object) error {
	return s.answer(r, code, store.Unwritten(r.row, obj))
}

// answerChanged answers with what was written.
func (s *Server) answerChanged(r *request, written *store.Entry) error {
	if !r.part() {
		return s.answer(r, http.StatusOK, written)
	}
	part, err := r.sub.Get(written.Object)
	if err != nil {
		return err
	}
	return s.plain(r, http.StatusOK, part)
}

// fail answers with an error.
func (s *Server) fail(r *request, err error) {
	status := statusOf(err, r.gr(), r.name)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		status = statusOf(apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", maxBody)), r.gr(), r.name)
	}
	if status.Code == http.StatusInternalServerError && errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		status = statusOf(timedOut(), r.gr(), r.name) // whatever it stopped at: its time was over
	}
	if status.Code >= 500 && !errors.Is(err, context.Canceled) {
		s.Logger.Error("a request failed", "component", "apiserver", "verb", r.verb, "path", r.URL.Path, "err", err)
	}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		r.w.Header().Set("Retry-After", fmt.Sprint(status.Details.RetryAfterSeconds))
	}
	m, negotiateErr := negotiate(r.Request, offer{proto: true, table: true})
	if negotiateErr != nil || m.As != "" {
		m = media{Type: mediaJSON}
	}
	s.write(r, m, int(status.Code), status)
}

// write answers with one object, as it is.
func (s *Server) write(r *request, m media, code int, obj runtime.Object) {
	body, err := m.encode(obj)
	if err != nil {
		s.Logger.Error("an answer can't be encoded", "component", "apiserver", "path", r.URL.Path, "err", err)
		http.Error(r.w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.send(r, m, code, body)
}

// send answers with bytes. That the client went away meanwhile is nobody's error.
func (s *Server) send(r *request, m media, code int, body []byte) {
	header := r.w.Header()
	header.Set("Content-Type", m.Type)
	header.Set("Cache-Control", "no-cache, private")
	if len(body) < compressFrom || !r.takesGzip() {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	out := r.compressed(code)
	_, _ = out.Write(body)
	_ = out.Close()
}
