package sim

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"minik.dev/kubelet/runtime"
)

// maxLines bounds the log of one container; the oldest lines go first.
const maxLines = 2000

type line struct {
	at   time.Time
	text string
}

// log is one container's log.
type log struct {
	mu     sync.Mutex
	lines  []line
	first  int  // the number of lines[0], counted from the container's start
	closed bool // the container has ended
	// more is closed and replaced when something was added; nil while nobody follows.
	more chan struct{}
}

func (l *log) add(at time.Time, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line{at, fmt.Sprintf(format, args...)})
	if drop := len(l.lines) - maxLines; drop > 0 {
		l.lines = append([]line(nil), l.lines[drop:]...)
		l.first += drop
	}
	l.wake()
}

func (l *log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wake()
}

func (l *log) wake() {
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// from returns the lines from number n on, the number of the next, whether the log has ended, and what is closed when
// there is more.
func (l *log) from(n int) ([]line, int, bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = max(n, l.first)
	if l.more == nil {
		l.more = make(chan struct{})
	}
	lines := append([]line(nil), l.lines[n-l.first:]...)
	return lines, l.first + len(l.lines), l.closed, l.more
}

// Logs is runtime.Runtime's.
func (r *Runtime) Logs(ctx context.Context, id string, options runtime.LogOptions, w io.Writer) error {
	r.mu.Lock()
	c := r.containers[id]
	r.mu.Unlock()
	if c == nil {
		return fmt.Errorf("log of %s: %w", id, runtime.ErrNotFound)
	}
	next, skip := 0, true
	for {
		lines, after, ended, more := c.log.from(next)
		next = after
		if skip && options.Tail >= 0 && int64(len(lines)) > options.Tail {
			lines = lines[int64(len(lines))-options.Tail:]
		}
		skip = false
		for _, l := range lines {
			if l.at.Before(options.Since) {
				continue
			}
			text := l.text
			if options.Timestamps {
				text = l.at.UTC().Format(time.RFC3339Nano) + " " + text
			}
			if _, err := io.WriteString(w, text+"\n"); err != nil {
				return fmt.Errorf("writing the log of %s: %w", id, err)
			}
		}
		if !options.Follow || ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-more:
		}
	}
}
