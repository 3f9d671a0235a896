package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"minik.dev/apiserver/resources"
)

// large writes an object of about a megabyte again and again.
func (h *history) large(t require.TestingT, times int) {
	for range times {
		h.put(t, configMap("", "large", strings.Repeat("x", 1<<20)))
	}
}

// kept is what the windows of all resources keep, counted one by one.
func (s *Store) kept() (bytes int64) {
	for _, c := range *s.caches.Load() {
		for _, e := range c.window.kept() {
			bytes += e.size
		}
	}
	return bytes
}

// However large the objects are, a window keeps a bounded number of bytes, and whoever starts in it misses nothing.
func TestAWindowIsBoundedByBytes(t *testing.T) {
	h := newHistory("configmaps")
	h.large(t, 100)
	require.LessOrEqual(t, h.c.window.bytes, int64(windowBytes))
	require.Greater(t, h.c.window.len(), 3, "and keeps as many as there is room for")
	require.Equal(t, h.s.kept(), h.s.windows.Load())
	_, err := h.c.watch(h.c.oldest-1, "")
	require.ErrorIs(t, err, ErrGone)
	w, err := h.c.watch(h.c.oldest, "")
	require.NoError(t, err)
	events, _, err := w.Take()
	require.NoError(t, err)
	require.Equal(t, h.given[h.c.oldest:], taken(events))

	h.put(t, configMap("", "huge", strings.Repeat("x", 2*windowBytes)))
	h.put(t, configMap("", "huge", "small again")) // keeps the huge one alone
	require.Zero(t, h.c.window.len(), "which is more than all may")
	_, err = h.c.watch(h.s.Revision(), "")
	require.NoError(t, err)
}

// What is older than upstream keeps it is dropped, so that a server with nothing to do keeps nothing.
func TestAWindowForgets(t *testing.T) {
	h := newHistory("configmaps")
	clock := h.s.Clock.(*clocktesting.FakeClock)
	h.large(t, 3)
	clock.Step(windowAge / 2)
	h.large(t, 2)
	clock.Step(windowAge/2 + time.Second)
	h.s.trimWindows(windowBytes)
	require.Equal(t, 2, h.c.window.len())
	clock.Step(windowAge)
	h.s.trimWindows(windowBytes)
	require.Zero(t, h.c.window.len())
	require.Zero(t, h.s.windows.Load())
	w, err := h.c.watch(h.s.Revision(), "")
	require.NoError(t, err, "the present can be gone on from")
	h.large(t, 1)
	events, _, err := w.Take()
	require.NoError(t, err)
	require.Equal(t, h.given[5:], taken(events))
}

// Many resources keep no more together than they may in all, and less where memory is short. Who has taken what was dropped
// goes on; who has not is cut off, so that nothing is kept for them alone.
func TestTheWindowsOfAllResourcesAreBounded(t *testing.T) {
	rows := []string{"configmaps", "secrets", "endpoints", "services", "serviceaccounts", "podtemplates"}
	var all []*resources.Resource
	for _, plural := range rows {
		all = append(all, rowOf(plural))
	}
	s := New(all, Options{Clock: clocktesting.NewFakeClock(time.Unix(0, 0))})
	var behind []*Watcher
	fill := func() {
		for _, row := range all {
			h := &history{s: s, c: s.cacheOf(row), row: row}
			w, _ := h.c.watchNow("")
			behind = append(behind, w)
			for range 20 {
				obj := row.New()
				obj.SetName("large")
				obj.SetAnnotations(map[string]string{"a": strings.Repeat("x", 1<<20)})
				h.put(t, obj)
			}
		}
		s.relieveWindows()
	}
	fill()
	require.Equal(t, s.kept(), s.windows.Load())
	require.LessOrEqual(t, s.kept(), int64(windowsBytes))
	require.Greater(t, s.kept(), int64(windowsBytes/4))
	s.ShortOfMemory(true)
	w, _ := s.WatchNow(all[0], "")
	(&history{s: s, c: s.cacheOf(all[0]), row: all[0]}).put(t, func() resources.Object {
		obj := all[0].New()
		obj.SetName("large")
		return obj
	}())
	s.trimWindows(0)
	_, _, err := w.Take()
	require.NoError(t, err, "who had no time to take is not behind")
	s.Clock.(*clocktesting.FakeClock).Step(2 * takePatience)
	s.trimWindows(0)
	require.LessOrEqual(t, s.kept(), int64(windowsBytes/16))
	for _, w := range behind {
		_, _, err := w.Take()
		require.ErrorIs(t, err, ErrGone)
		require.Empty(t, w.queue)
	}
	s.ShortOfMemory(false)
	fill()
	require.Greater(t, s.kept(), int64(windowsBytes/16))
}

// A watcher that does not take keeps a bounded number of bytes, too.
func TestAWatcherIsBoundedByBytes(t *testing.T) {
	h := newHistory("configmaps")
	w, _ := h.c.watchNow("")
	h.large(t, 2)
	events, _, err := w.Take()
	require.NoError(t, err)
	require.Len(t, events, 2)
	h.large(t, 20)
	_, _, err = w.Take()
	require.ErrorIs(t, err, ErrGone)
}

// The text of an object is kept once, with or without its resourceVersion, and is the same either way.
func TestATextIsKeptOnce(t *testing.T) {
	row := rowOf("configmaps")
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		obj := configMap("n", "a", value)
		stored, err := encode(row, obj)
		require.NoError(t, err)
		e := newEntry(row, "k", stored, 7, obj)
		other := append([]byte(nil), stored...)
		other[rapid.IntRange(0, len(other)-1).Draw(t, "at")] ^= 1
		for range 2 {
			require.True(t, e.stores(stored))
			require.False(t, e.stores(other))
			require.False(t, e.stores(append(other, ' ')))
			require.Equal(t, string(stored), string(e.stored()))
			shown, err := e.JSON() // from here on with the resourceVersion
			require.NoError(t, err)
			require.Contains(t, string(shown), `"metadata":{"resourceVersion":"7",`)
			back, err := decode(row, "k", shown, 7)
			require.NoError(t, err)
			require.Equal(t, value, valueOf(back))
			item, err := e.Item()
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(shown), string(item)) && strings.HasPrefix(string(item), `"metadata":{`))
		}
	})
}
