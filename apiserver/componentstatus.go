package apiserver

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// report answers with objects that are made of how the parts of the control plane are now. They have no revision: nothing
// of them is stored.
func (s *Server) report(r *request) error {
	q, err := s.listQuery(r)
	if err != nil {
		return err
	}
	f := &found{remaining: -1}
	for _, obj := range r.row.Report(s.components(r.Context())) {
		entry := store.Unwritten(r.row, obj)
		if r.verb == "get" && obj.GetName() == r.name {
			return s.answer(r, http.StatusOK, entry)
		}
		if q.matches(entry) {
			f.entries = append(f.entries, entry)
		}
	}
	if r.verb == "get" {
		return store.ErrNotFound
	}
	q.all = false // how many are left is nothing: all are here
	return s.answerList(r, q, f)
}

// components asks upstream's three parts how they are. etcd is asked itself. The two others answer nobody, here as in
// other processes: that they run in this one is what can be known of them.
func (s *Server) components(ctx context.Context) []resources.Component {
	out := []resources.Component{healthy("etcd-0", s.askEtcd(ctx))}
	for _, name := range []string{"scheduler", "controller-manager"} {
		runs, here := s.Components[name]
		if !here {
			out = append(out, resources.Component{
				Name: name, Health: corev1.ConditionUnknown,
				Error: "it does not run in the API server's process, and has no address to be asked at",
			})
			continue
		}
		out = append(out, healthy(name, runs()))
	}
	return out
}

// healthy is a part that was asked. "ok" is what upstream's parts answer.
func healthy(name string, err error) resources.Component {
	if err != nil {
		return resources.Component{Name: name, Health: corev1.ConditionFalse, Error: err.Error()}
	}
	return resources.Component{Name: name, Health: corev1.ConditionTrue, Message: "ok"}
}
