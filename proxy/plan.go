package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The pause before a listener that could not be opened is tried again: doubled each time, within these bounds.
const (
	minRetry = 100 * time.Millisecond
	maxRetry = 30 * time.Second
)

// failure is the memory of a listener that could not be opened.
type failure struct {
	attempts int
	retry    time.Time // not before
}

// next is the failure after one more attempt.
func (f failure) next(now time.Time) failure {
	pause := min(minRetry<<min(f.attempts, 16), maxRetry)
	return failure{attempts: f.attempts + 1, retry: now.Add(pause)}
}

// steps is what separates the open listeners from those that the table wants, to be done in this order.
type steps struct {
	Close  []Listen
	Change []Rule   // open and stays open, with another rule
	Open   []Rule   // not open, and due
	Forget []Listen // could not be opened, and is no longer wanted
}

func (s steps) empty() bool { return len(s.Close)+len(s.Change)+len(s.Open)+len(s.Forget) == 0 }

// shownAtMost bounds how many of each kind of step String names.
const shownAtMost = 3

// String says what the steps are, for whoever holds the proxy.
func (s steps) String() string {
	var parts []string
	list := func(verb string, count int, name func(i int) string) {
		var names []string
		for i := range min(count, shownAtMost) {
			names = append(names, name(i))
		}
		if count > shownAtMost {
			names = append(names, fmt.Sprintf("%d more", count-shownAtMost))
		}
		if count > 0 {
			parts = append(parts, verb+" "+strings.Join(names, ", "))
		}
	}
	rule := func(r Rule) string {
		return fmt.Sprintf("%s for %s (backends %d: %s)", r.Listen, r.Service, len(r.Backends), r.Why)
	}
	list("close", len(s.Close), func(i int) string { return s.Close[i].String() })
	list("change", len(s.Change), func(i int) string { return rule(s.Change[i]) })
	list("open", len(s.Open), func(i int) string { return rule(s.Open[i]) })
	list("forget", len(s.Forget), func(i int) string { return s.Forget[i].String() })
	if len(parts) == 0 {
		return "every listener is as the table has it"
	}
	return strings.Join(parts, "; ")
}

// plan compares the open listeners and the failed attempts with the table. A rule without backends wants no listener, so
// that the kernel refuses the connection, but for one that answers health checks.
func plan(open map[Listen]Rule, failed map[Listen]failure, table Table, now time.Time) steps {
	var s steps
	wanted := map[Listen]bool{}
	for _, rule := range table.Rules {
		if len(rule.Backends) == 0 && !rule.Health {
			continue
		}
		wanted[rule.Listen] = true
		if old, ok := open[rule.Listen]; ok {
			if !old.Equal(rule) {
				s.Change = append(s.Change, rule)
			}
			continue
		}
		if f, ok := failed[rule.Listen]; ok && now.Before(f.retry) {
			continue
		}
		s.Open = append(s.Open, rule)
	}
	for _, listen := range slices.SortedFunc(maps.Keys(open), compareListen) {
		if !wanted[listen] {
			s.Close = append(s.Close, listen)
		}
	}
	for _, listen := range slices.SortedFunc(maps.Keys(failed), compareListen) {
		if !wanted[listen] {
			s.Forget = append(s.Forget, listen)
		}
	}
	return s
}

// firstRetry is when the first of the failed attempts is due again; false where there is none.
func firstRetry(failed map[Listen]failure) (time.Time, bool) {
	var first time.Time
	for _, f := range failed {
		if first.IsZero() || f.retry.Before(first) {
			first = f.retry
		}
	}
	return first, !first.IsZero()
}
