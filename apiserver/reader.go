package apiserver

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// reader shows the store's cache to the admission plugins.
type reader struct{ s *Server }

func (a reader) row(group, plural string) *resources.Resource {
	return a.s.registry.Rows().Named(group, plural)
}

func (a reader) Get(group, plural, namespace, name string) (resources.Object, bool) {
	entry, _ := a.s.store.Get(a.row(group, plural), namespace, name)
	if entry == nil {
		return nil, false
	}
	return entry.Object, true
}

func (a reader) Each(group, plural string, f func(resources.Object)) {
	row := a.row(group, plural)
	a.s.store.Snapshot(row).Ascend(store.Range(row, ""), "", func(e *store.Entry) bool {
		f(e.Object)
		return true
	})
}

func (a reader) Fresh(ctx context.Context) error { return a.s.store.Fresh(ctx) }

func (a reader) Wait(ctx context.Context, plural string, done func() bool) {
	if done() {
		return
	}
	w, _ := a.s.store.WatchNow(a.row("", plural), "")
	defer w.Stop()
	deadline := a.s.Clock.After(time.Second)
	for !done() {
		select {
		case <-w.Ready():
		case <-deadline:
			return
		case <-ctx.Done():
			return
		}
	}
}

// authReader shows the same to an authorizer.
type authReader struct{ s *Server }

func (a authReader) Get(group, plural, namespace, name string) (runtime.Object, bool) {
	return reader(a).Get(group, plural, namespace, name)
}

func (a authReader) Each(group, plural, namespace string, f func(runtime.Object)) {
	row := a.s.registry.Rows().Named(group, plural)
	a.s.store.Snapshot(row).Ascend(store.Range(row, namespace), "", func(e *store.Entry) bool {
		f(e.Object)
		return true
	})
}
