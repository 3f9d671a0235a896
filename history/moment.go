package history

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// Moment is a point in the cluster's past: a revision, or a time whose revision is still to be found.
type Moment struct {
	Revision int64 // 0 where it is a time
	Time     time.Time
}

// MomentForms are the forms of a moment, as errors name them.
const MomentForms = "a revision (1234), a time (14:05, 14:05:30, 2006-01-02T14:05:00) or how long ago (-10m, -1h30m)"

// timesOfDay and dates are how times are written; without a zone they are those of this machine.
var (
	timesOfDay = []string{"15:04", "15:04:05"}
	dates      = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05"}
)

// ParseMoment reads a moment. A time of day is that of today, in the zone of now.
func ParseMoment(word string, now time.Time) (Moment, error) {
	if n, err := strconv.ParseInt(word, 10, 64); err == nil && n > 0 {
		return Moment{Revision: n}, nil
	}
	if ago, ok := strings.CutPrefix(word, "-"); ok {
		d, err := time.ParseDuration(ago)
		if err != nil || d < 0 {
			return Moment{}, fmt.Errorf("%q is none of %s", word, MomentForms)
		}
		return Moment{Time: now.Add(-d)}, nil
	}
	at, err := parseTime(word, now)
	if err != nil {
		return Moment{}, err
	}
	if at.After(now) {
		return Moment{}, fmt.Errorf("%s is still to come: it is %s", word, now.Format("2006-01-02 15:04:05"))
	}
	return Moment{Time: at}, nil
}

func parseTime(word string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, word); err == nil {
		return at, nil
	}
	for _, form := range dates {
		if at, err := time.ParseInLocation(form, word, now.Location()); err == nil {
			return at, nil
		}
	}
	for _, form := range timesOfDay {
		if at, err := time.Parse(form, word); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, at.Hour(), at.Minute(), at.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is none of %s", word, MomentForms)
}

// FindRevision is the revision of the moment; one that is not kept any more is an error.
func FindRevision(ctx context.Context, config *rest.Config, m Moment) (int64, error) {
	if m.Revision != 0 {
		return m.Revision, Kept(ctx, config, m.Revision)
	}
	latest, err := newestEntry(ctx, config, 0)
	if err != nil {
		return 0, err
	}
	newest, err := ParseRevision(latest.ResourceVersion)
	if err != nil {
		return 0, err
	}
	return newestBefore(m.Time, newest, func(revision int64) (time.Time, bool, error) {
		l, err := newestEntry(ctx, config, revision)
		switch {
		case apierrors.IsResourceExpired(err):
			return time.Time{}, false, nil
		case err != nil:
			return time.Time{}, false, err
		case len(l.Items) == 0:
			return time.Time{}, false, nil
		}
		return l.Items[0].Time.Time, true, nil
	})
}

// look says when the newest write at or before a revision was made; ok is false for a revision that is not kept any more, or
// that comes before every write.
type look func(revision int64) (written time.Time, ok bool, err error)

// newestBefore is the newest revision at or before a time, found by halving: times grow with revisions. Revisions that
// leave no journal entry (Leases, Events) belong to the entry before them.
func newestBefore(at time.Time, newest int64, look look) (int64, error) {
	var failed error
	later := func(revision int64) bool {
		if failed != nil {
			return true
		}
		written, ok, err := look(revision)
		failed = err
		return ok && written.After(at)
	}
	n := int64(sort.Search(int(newest), func(i int) bool { return later(int64(i) + 1) }))
	if failed != nil {
		return 0, failed
	}
	if n > 0 {
		_, ok, err := look(n)
		if ok || err != nil {
			return n, err
		}
	}
	if n == newest {
		return 0, fmt.Errorf("nothing has been written, as far as history is kept")
	}
	begins, _, err := look(n + 1)
	if err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%s is before the history that is kept: that begins with revision %d, at %s",
		at.Format("2006-01-02 15:04:05"), n+1, begins.In(at.Location()).Format("2006-01-02 15:04:05"))
}
