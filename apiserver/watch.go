package apiserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/store"
)

// A watch ends by itself after half an hour to an hour, so that clients spread over servers anew (upstream).
const (
	watchAtLeast = 30 * time.Minute
	watchSpread  = 30 * time.Minute
)

// bookmarkEvery is how often a watch that asked for bookmarks hears of the revision it has reached. It hears of it once more
// shortly before it ends by itself, so that the next one has little to catch up with (upstream).
const (
	bookmarkEvery = time.Minute
	lastBookmark  = 2 * time.Second
)

// initialEventsEnd marks the bookmark that ends the initial events of a watch list.
const initialEventsEnd = metav1.InitialEventsAnnotationKey

// watcher is one watch that is being served.
type watcher struct {
	s *Server
	r *request
	q *query
	m media
	// headed says that the columns of a table were sent.
	headed bool
	out    stream
}

// stream is where the frames of a watch go.
type stream interface {
	// frame sends one event around the object's bytes.
	frame(m media, kind watch.EventType, object []byte) error
	// flush sends what is held back.
	flush() error
}

// chunks are a watch over plain HTTP: one frame after the other in one answer that does not end.
type chunks struct {
	http.ResponseWriter
	*http.ResponseController
}

func (c chunks) frame(m media, kind watch.EventType, object []byte) error {
	return m.writeFrame(c.ResponseWriter, kind, object)
}

func (c chunks) flush() error { return c.Flush() }

// watch follows the objects that the selectors choose.
func (s *Server) watch(r *request) error {
	q, err := s.listQuery(r)
	if err != nil {
		return err
	}
	m, err := negotiate(r.Request, offer{proto: hasProto(r.row.New()), table: true, watch: true})
	if err != nil {
		return err
	}
	if _, err := r.includeObject(); m.As == "Table" && err != nil {
		return err
	}
	start, err := s.startWatch(r, q)
	if err != nil {
		return err
	}
	defer func() {
		if start.from != nil {
			start.from.Stop()
		}
	}()
	w := &watcher{s: s, r: r, q: q, m: m}
	if websocket.IsWebSocketUpgrade(r.Request) {
		socket, err := s.watchSocket(r)
		if err != nil {
			return nil // the client has been answered
		}
		defer socket.close()
		w.out = socket
	} else {
		w.out = chunks{r.w, http.NewResponseController(r.w)}
		r.w.Header().Set("Content-Type", m.contentType(true))
		r.w.Header().Set("Cache-Control", "no-cache, private")
		r.w.WriteHeader(http.StatusOK)
	}
	s.metrics.watching(r, 1)
	defer s.metrics.watching(r, -1)
	// From here on an error of writing means that the client is gone, which is nobody's error.
	for _, e := range start.initial {
		if w.send(watch.Added, e) != nil {
			return nil
		}
	}
	if start.bookmark > 0 && w.bookmark(start.bookmark, true) != nil {
		return nil
	}
	if w.out.flush() != nil {
		return nil
	}
	if start.from == nil {
		if start.from = w.replay(start.after); start.from == nil {
			return nil
		}
	}
	w.follow(start.from)
	return nil
}

// beginning is where a watch starts.
type beginning struct {
	// from brings what happens next; nil replays what happened after a revision first.
	from  *store.Watcher
	after int64
	// initial is what was there already, and bookmark the revision at which that is complete, where the client asked to be
	// told.
	initial  []*store.Entry
	bookmark int64
}

// startWatch finds where the watch starts: after a revision, or with the present (or the past that is asked for) as its
// first events.
func (s *Server) startWatch(r *request, q *query) (*beginning, error) {
	at, err := q.revision()
	if err != nil {
		return nil, err
	}
	if r.past != 0 {
		return s.startPast(r, q, at)
	}
	if q.ResourceVersion == "" {
		err = s.store.Fresh(r.Context())
	} else {
		err = s.store.AtLeast(r.Context(), at)
	}
	if err != nil {
		return nil, err
	}
	now := ptr.Deref(q.SendInitialEvents, at == 0)
	if !now && at == 0 { // sendInitialEvents=false from wherever we are
		from, _ := s.store.WatchNow(r.row, q.indexed)
		return &beginning{from: from}, nil
	}
	if !now {
		from, err := s.store.Watch(r.row, at, q.indexed)
		if errors.Is(err, store.ErrGone) {
			return s.startInHistory(r, at, err)
		}
		return &beginning{from: from}, err
	}
	from, snapshot := s.store.WatchNow(r.row, q.indexed)
	start := &beginning{from: from}
	snapshot.Ascend(store.Range(r.row, r.namespace), "", func(e *store.Entry) bool {
		if q.matches(e) {
			start.initial = append(start.initial, e)
		}
		return true
	})
	if q.SendInitialEvents != nil && q.AllowWatchBookmarks {
		start.bookmark = snapshot.Revision
	}
	return start, nil
}

// startInHistory starts a watch at a revision that is older than what the caches remember, as after a restart: what has happened
// since is replayed. Only where history is not kept so long the client has to list again.
func (s *Server) startInHistory(r *request, at int64, gone error) (*beginning, error) {
	kept, err := s.store.Kept(r.Context(), at)
	switch {
	case err != nil:
		return nil, err
	case !kept:
		return nil, gone
	}
	return &beginning{after: at}, nil
}

// follow sends events until the client goes, the time is up, or the watcher has fallen behind.
func (w *watcher) follow(from *store.Watcher) {
	limit := watchAtLeast + time.Duration(rand.IntN(int(watchSpread)))
	if t := w.q.TimeoutSeconds; t != nil && *t > 0 {
		limit = time.Duration(*t) * time.Second
	}
	end := w.s.Clock.NewTimer(limit)
	defer end.Stop()
	var tick, last <-chan time.Time
	if w.q.AllowWatchBookmarks {
		ticker := w.s.Clock.NewTicker(bookmarkEvery)
		defer ticker.Stop()
		tick = ticker.C()
		if limit > lastBookmark {
			timer := w.s.Clock.NewTimer(limit - lastBookmark)
			defer timer.Stop()
			last = timer.C()
		}
	}
	for {
		bookmark := false
		select {
		case <-from.Ready():
		case <-tick:
			bookmark = true
		case <-last:
			bookmark = true
		case <-end.C():
			return
		case <-w.s.stopping:
			return
		case <-w.r.Context().Done():
			return
		}
		events, revision, err := from.Take()
		if err != nil {
			w.gone(err)
			return
		}
		for _, e := range events {
			if w.event(e) != nil {
				return
			}
		}
		if bookmark && w.bookmark(revision, false) != nil {
			return
		}
		if w.out.flush() != nil {
			return
		}
	}
}

// event sends what a change means to this watcher: an object may come into its selection or leave it.
func (w *watcher) event(e *store.Event) error {
	if ns := w.r.namespace; ns != "" && e.Entry.Object.GetNamespace() != ns {
		return nil
	}
	was := e.Previous != nil && w.q.matches(e.Previous)
	is := e.Type != watch.Deleted && w.q.matches(e.Entry)
	switch {
	case is && was:
		return w.send(watch.Modified, e.Entry)
	case is:
		return w.send(watch.Added, e.Entry)
	case was:
		return w.send(watch.Deleted, e.Gone())
	}
	return nil
}

// send writes one event. The bytes of plain objects are shared by everyone who watches in the same way.
func (w *watcher) send(kind watch.EventType, e *store.Entry) error {
	var body []byte
	var err error
	switch {
	case w.m.As == "Table":
		body, err = w.table(e)
	case w.r.served != nil && w.m.As != "":
		body, err = w.m.encode(partial(w.r.out(e.Object), w.m.AsVersion))
	case w.r.served != nil:
		body, err = w.m.encode(w.r.out(e.Object))
	default:
		body, err = w.m.entryBytes(e)
	}
	if err != nil {
		w.s.Logger.Error("an event can't be encoded", "component", "apiserver", "path", w.r.URL.Path, "err", err)
		return err
	}
	return w.out.frame(w.m, kind, body)
}

// table is the object as a table of one row; only the first has columns.
func (w *watcher) table(e *store.Entry) ([]byte, error) {
	table, err := w.s.tableOf(w.r, w.m, []*store.Entry{e})
	if err != nil {
		return nil, err
	}
	table.ResourceVersion = e.Object.GetResourceVersion()
	if w.headed {
		table.ColumnDefinitions = nil
	}
	w.headed = true
	return w.m.encode(table)
}

// bookmark tells the client that it has seen everything up to the revision.
func (w *watcher) bookmark(revision int64, initial bool) error {
	obj := w.r.in()
	obj.SetResourceVersion(fmt.Sprint(revision))
	obj.GetObjectKind().SetGroupVersionKind(w.r.kind())
	if initial {
		obj.SetAnnotations(map[string]string{initialEventsEnd: "true"})
	}
	var body []byte
	var err error
	switch w.m.As {
	case "":
		body, err = w.m.encode(obj)
	case "Table":
		table := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(revision)}}
		table.APIVersion, table.Kind = metav1.GroupName+"/"+w.m.AsVersion, "Table"
		if initial {
			row, rowErr := partialRow(obj, w.m)
			if rowErr != nil {
				return rowErr
			}
			table.Rows = []metav1.TableRow{row}
		}
		body, err = w.m.encode(table)
	default:
		body, err = w.m.encode(partial(obj, w.m.AsVersion))
	}
	if err != nil {
		return err
	}
	return w.out.frame(w.m, watch.Bookmark, body)
}

// gone tells the client that it has to list again. A watch of a kind that is taken away just ends, as upstream's.
func (w *watcher) gone(err error) {
	if errors.Is(err, store.ErrRemoved) {
		return
	}
	status := statusOf(err, w.r.gr(), w.r.name)
	body, encodeErr := media{Type: w.m.Type}.encode(status)
	if encodeErr != nil {
		return
	}
	if w.out.frame(w.m, watch.Error, body) == nil {
		_ = w.out.flush() // the client that is gone is told nothing
	}
}
