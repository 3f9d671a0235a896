package controllers

import (
	"fmt"
	"strings"
)

// differences collects what is no longer as it was, for the reason of a status write.
type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *differences) count(name string, old, now int32) {
	if old != now {
		d.add("%s %d is now %d", name, old, now)
	}
}

// optional compares counts of which nil is "never counted".
func (d *differences) optional(name string, old, now *int32) {
	switch {
	case old == nil && now != nil:
		d.add("%s is now %d", name, *now)
	case old != nil && now != nil:
		d.count(name, *old, *now)
	}
}

// sentence is the whole, about the subject; it is empty where nothing differs.
func (d *differences) sentence(subject string) string {
	if len(*d) == 0 {
		return ""
	}
	return subject + ": " + strings.Join(*d, ", ")
}
