package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseMoment(t *testing.T) {
	zone := time.FixedZone("here", 2*60*60)
	now := time.Date(2026, 3, 1, 14, 30, 0, 0, zone)
	for word, want := range map[string]Moment{
		"1234":                 {Revision: 1234},
		"-10m":                 {Time: now.Add(-10 * time.Minute)},
		"-1h30m":               {Time: now.Add(-90 * time.Minute)},
		"-0s":                  {Time: now},
		"14:05":                {Time: time.Date(2026, 3, 1, 14, 5, 0, 0, zone)},
		"14:05:30":             {Time: time.Date(2026, 3, 1, 14, 5, 30, 0, zone)},
		"2026-02-28T23:00":     {Time: time.Date(2026, 2, 28, 23, 0, 0, 0, zone)},
		"2026-02-28 23:00:01":  {Time: time.Date(2026, 2, 28, 23, 0, 1, 0, zone)},
		"2026-03-01T12:00:00Z": {Time: time.Date(2026, 3, 1, 14, 0, 0, 0, zone)},
	} {
		got, err := ParseMoment(word, now)
		require.NoError(t, err, word)
		require.Equal(t, want.Revision, got.Revision, word)
		require.True(t, want.Time.Equal(got.Time), "%s is %s", word, got.Time)
	}
	for word, message := range map[string]string{
		"":                 `"" is none of a revision`,
		"0":                `"0" is none of a revision`,
		"-5":               `"-5" is none of a revision`,
		"--5m":             `"--5m" is none of`,
		"10m":              `"10m" is none of`,
		"25:00":            `"25:00" is none of`,
		"yesterday":        "how long ago (-10m, -1h30m)",
		"14:31":            "14:31 is still to come: it is 2026-03-01 14:30:00",
		"2026-03-02T00:00": "is still to come",
	} {
		_, err := ParseMoment(word, now)
		require.ErrorContains(t, err, message, word)
	}
}

// The revision that is found is the newest that was there at the Time: neither it nor what is kept before it was written
// later, and what follows was.
func TestNewestBefore(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		// Each revision's journal entry is as many seconds after the one before; -1 leaves no entry, as a Lease.
		gaps := rapid.SliceOfN(rapid.IntRange(-1, 5), 1, 60).Draw(t, "gaps")
		oldest := int64(rapid.IntRange(1, len(gaps)).Draw(t, "oldest"))
		at := begin.Add(time.Duration(rapid.IntRange(-5, 150).Draw(t, "at")) * time.Second)
		written := make([]time.Time, len(gaps)+1) // the newest entry at or before each revision
		now := begin
		for i, gap := range gaps {
			written[i+1] = written[i]
			if gap >= 0 {
				now = now.Add(time.Duration(gap) * time.Second)
				written[i+1] = now
			}
		}
		kept := func(r int64) bool { return r >= oldest && !written[r].IsZero() }
		got, err := newestBefore(at, int64(len(gaps)), func(r int64) (time.Time, bool, error) { return written[r], kept(r), nil })
		want := int64(0)
		for r := range int64(len(gaps) + 1) {
			if kept(r) && !written[r].After(at) {
				want = r
			}
		}
		require.Equal(t, want, got)
		require.Equal(t, want == 0, err != nil)
	})
	_, err := newestBefore(begin, 9, func(r int64) (time.Time, bool, error) { return begin.Add(time.Hour), r > 4, nil })
	require.EqualError(t, err, "2026-03-01 12:00:00 is before the history that is kept: that begins with revision 5, at "+
		"2026-03-01 13:00:00")
}
