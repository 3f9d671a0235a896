package sim

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// runsFor is how long a container of a pod that is to end runs, as far as its image and command are known: a server serves on, a sleep
// sleeps, a loop goes on. Of everything else it is a moment. forever says that it does not end by itself.
func runsFor(c *corev1.Container) (d time.Duration, forever bool) {
	words := append(append([]string{}, c.Command...), c.Args...)
	if len(words) == 0 {
		_, server := exposed(c.Image)
		return jobRunsFor, server
	}
	text := strings.Join(words, " ")
	if endless.MatchString(text) {
		return 0, true
	}
	var slept time.Duration
	for _, sleep := range sleeps.FindAllStringSubmatch(text, -1) {
		if sleep[1] == "infinity" {
			return 0, true
		}
		seconds, err := strconv.ParseFloat(sleep[1], 64)
		if err != nil {
			continue
		}
		slept += time.Duration(seconds * float64(units[sleep[2]]))
	}
	return max(slept, jobRunsFor), false
}

// endless are commands that never end by themselves: loops without an end, and tail -f.
var endless = regexp.MustCompile(`\bwhile\s+(true|:|sleep\b[^;]*)\s*;|\btail\s+-[fF]\b|\bfor\s*\(\(\s*;;\s*\)\)`)

// sleeps are the commands that wait: sleep 30, sleep 1h, sleep infinity.
var sleeps = regexp.MustCompile(`\bsleep\s+(infinity|[0-9]+(?:\.[0-9]+)?)([smhd]?)`)

var units = map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
