package loop

import (
	"fmt"
	"strings"
)

// Differences collects what is no longer as it was, for the reason of a status write.
type Differences []string

// Add notes a difference, as a clause of the sentence.
func (d *Differences) Add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

// Count notes a count where it differs.
func (d *Differences) Count(name string, old, now int32) {
	if old != now {
		d.Add("%s %d is now %d", name, old, now)
	}
}

// Optional compares counts of which nil is "never counted".
func (d *Differences) Optional(name string, old, now *int32) {
	switch {
	case old == nil && now != nil:
		d.Add("%s is now %d", name, *now)
	case old != nil && now != nil:
		d.Count(name, *old, *now)
	}
}

// Sentence is the whole, about the subject; it is empty where nothing differs.
func (d *Differences) Sentence(subject string) string {
	if len(*d) == 0 {
		return ""
	}
	return subject + ": " + strings.Join(*d, ", ")
}
