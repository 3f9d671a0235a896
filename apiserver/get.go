package apiserver

import (
	"net/http"

	"minik.dev/apiserver/store"
)

// get answers with one object.
func (s *Server) get(r *request) error {
	q := &query{}
	q.ResourceVersion = r.URL.Query().Get("resourceVersion")
	at, err := q.revision()
	if err != nil {
		return err
	}
	if r.past != 0 {
		return s.getPast(r, at)
	}
	if q.ResourceVersion == "" {
		err = s.store.Fresh(r.Context())
	} else {
		err = s.store.AtLeast(r.Context(), at)
	}
	if err != nil {
		return err
	}
	entry, _ := s.store.Get(r.row, r.namespace, r.name)
	if entry == nil {
		return store.ErrNotFound
	}
	return s.answer(r, http.StatusOK, entry)
}

// getSubresource answers with the part of the object that the subresource shows.
func (s *Server) getSubresource(r *request) error {
	entry, err := s.find(r, true)
	if err != nil {
		return err
	}
	part, err := r.sub.Get(entry.Object)
	if err != nil {
		return err
	}
	return s.plain(r, http.StatusOK, part)
}

// find is the newest state of the addressed object. It asks the cache first, which is right unless the object is not
// there or older than what was acknowledged; fresh asks for the newest in any case.
func (s *Server) find(r *request, fresh bool) (*store.Entry, error) {
	if r.past != 0 {
		return s.store.GetAt(r.Context(), r.row, r.namespace, r.name, r.past)
	}
	if fresh {
		if err := s.store.Fresh(r.Context()); err != nil {
			return nil, err
		}
	}
	entry, _ := s.store.Get(r.row, r.namespace, r.name)
	if entry == nil && !fresh {
		return s.find(r, true)
	}
	if entry == nil {
		return nil, store.ErrNotFound
	}
	return entry, nil
}
