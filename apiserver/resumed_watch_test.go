package apiserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"minik.dev/apiserver/etcd"
)

// oftenMarked is a clock by which bookmarks come all the time.
type oftenMarked struct{ clock.RealClock }

func (c oftenMarked) NewTicker(d time.Duration) clock.Ticker {
	if d == bookmarkEvery {
		d = 2 * time.Millisecond
	}
	return c.RealClock.NewTicker(d)
}

// Watches that are cut at random moments and go on from the last resourceVersion they saw, that of a bookmark included, see
// the same events as one that is never cut: the selection, the order, the objects as they were.
func TestWatchesThatAreCutSeeTheSameAsOneThatIsNot(t *testing.T) {
	seed := drawnSeed(t)
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) { o.Clock = oftenMarked{} })
	ts.namespace(t, "shop")
	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	present, err := ts.client.CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	type pair struct {
		name       string
		whole, cut chan []string
	}
	var pairs []pair
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	bookmarks := make(chan int, 100)
	for _, kind := range writables {
		if kind.resource.Resource == "services" {
			continue // they are no different here
		}
		for _, o := range []metav1.ListOptions{{}, {LabelSelector: "tier=front"}, {FieldSelector: "spec.nodeName=node-1"}} {
			if o.FieldSelector != "" && kind.resource.Resource != "pods" {
				continue
			}
			o.ResourceVersion, o.AllowWatchBookmarks = present.ResourceVersion, true
			p := pair{
				name:  fmt.Sprintf("%s %s%s", kind.resource.Resource, o.LabelSelector, o.FieldSelector),
				whole: make(chan []string, 1), cut: make(chan []string, 1),
			}
			pairs = append(pairs, p)
			draw := rand.New(rand.NewPCG(seed, uint64(1000+len(pairs))))
			work.Go(func() { p.whole <- follow(t, kind.in(client), o, nil, nil) })
			work.Go(func() { p.cut <- follow(t, kind.in(client), o, draw, bookmarks) })
		}
	}
	work.Go(func() {
		ts.writeRandomly(t, seed, writables)
		for _, kind := range writables {
			if _, err := kind.in(client).Create(t.Context(), kind.object(t, "end", "front"), metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, p := range pairs {
		whole, cut := <-p.whole, <-p.cut
		require.NotEmpty(t, whole, p.name)
		require.Equal(t, whole, cut, p.name)
	}
	resumed := 0
	for range pairs {
		resumed += <-bookmarks
	}
	t.Logf("%d watches, %d times resumed from a bookmark", len(pairs), resumed)
	require.Positive(t, resumed)
	work.Wait() // a watcher may see the last object before its writer has the answer
}

// watchPatience bounds how long a watcher waits for its next event, a bookmark at least.
const watchPatience = time.Minute

// follow renders the events up to that of the object "end". With draw it gives the watch up at random moments and begins
// another from the last resourceVersion; how often that was a bookmark's is told to bookmarks.
func follow(t *testing.T, objects dynamic.ResourceInterface, o metav1.ListOptions, draw *rand.Rand, bookmarks chan<- int) []string {
	var seen []string
	marked := 0
	if bookmarks != nil {
		defer func() { bookmarks <- marked }()
	}
	for {
		left := -1 // events until it is cut
		if draw != nil {
			left = 1 + draw.IntN(9)
		}
		last, ended := o.ResourceVersion, false
		kind := watch.Added
		err := watched(t.Context(), objects, o, func(e watch.Event) bool {
			u, ok := e.Object.(*unstructured.Unstructured)
			if !ok || e.Type == watch.Error {
				t.Errorf("%s %v", e.Type, e.Object)
				return false
			}
			if !older(last, u.GetResourceVersion(), e.Type == watch.Bookmark) {
				t.Errorf("%s at %s comes after %s", e.Type, u.GetResourceVersion(), last)
			}
			last, kind = u.GetResourceVersion(), e.Type
			if e.Type != watch.Bookmark {
				seen = append(seen, fmt.Sprintf("%s %s", e.Type, mustJSON(u)))
				ended = u.GetName() == "end"
			}
			left--
			return left != 0 && !ended
		})
		if err != nil {
			t.Error(err)
			return nil
		}
		if ended {
			return seen
		}
		if kind == watch.Bookmark {
			marked++
		}
		o.ResourceVersion = last
	}
}

// watched calls each for the events of one watch until it says no.
func watched(ctx context.Context, objects dynamic.ResourceInterface, o metav1.ListOptions, each func(watch.Event) bool) error {
	w, err := objects.Watch(ctx, o)
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("the watch from %s ended", o.ResourceVersion)
			}
			if !each(e) {
				return nil
			}
		case <-time.After(watchPatience):
			return fmt.Errorf("the watch from %s is silent", o.ResourceVersion)
		}
	}
}

// older reports whether the first revision is before the second, or is the same where it may be.
func older(a, b string, same bool) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	return errX == nil && errY == nil && (x < y || same && x == y)
}

func mustJSON(u *unstructured.Unstructured) string {
	b, _ := u.MarshalJSON() // what was read as JSON is JSON
	return string(b)
}
