package apiserver

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"minik.dev/apiserver/resources"
)

// AddKind serves one more kind from now on. What etcd holds of it already is read first, so that nobody finds less. It fails
// where another kind has one of its paths or its name.
func (s *Server) AddKind(ctx context.Context, row *resources.Resource) error {
	s.changingKinds.Lock()
	defer s.changingKinds.Unlock()
	if err := s.registry.Check(row); err != nil {
		return err
	}
	if err := s.store.Add(ctx, row); err != nil {
		return err
	}
	return s.registry.Add(row)
}

// RemoveKind serves the kind no longer: its paths are not found, and watches of it end. Whoever removes it deletes its objects
// before.
func (s *Server) RemoveKind(row *resources.Resource) {
	s.changingKinds.Lock()
	defer s.changingKinds.Unlock()
	s.registry.Remove(row)
	s.store.Remove(row)
	s.fields.Forget(row)
}

// madeOfRows serves what is made of the rows, a discovery document for example, and makes it anew when they have changed.
type madeOfRows struct {
	registry *resources.Registry
	make     func([]*resources.Resource) http.Handler

	made atomic.Pointer[made]
	mu   sync.Mutex // held while it is made anew
}

// made is what was made of the rows of that generation.
type made struct {
	generation int64
	http.Handler
}

func (m *madeOfRows) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.current().ServeHTTP(w, req)
}

func (m *madeOfRows) current() *made {
	if c := m.made.Load(); c != nil && c.generation == m.registry.Rows().Generation {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.registry.Rows()
	c := m.made.Load()
	if c == nil || c.generation != rows.Generation {
		c = &made{rows.Generation, m.make(rows.All)}
		m.made.Store(c)
	}
	return c
}
