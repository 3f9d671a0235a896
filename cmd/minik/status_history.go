package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/rest"
)

// kept are the API server's own numbers about its store, by their names in /metrics.
type kept map[string]float64

// askKept reads them. A server that has none, because it is not minik's, gives none.
func askKept(ctx context.Context, client rest.Interface) (kept, error) {
	text, err := client.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the API server how much history it keeps: %w", err)
	}
	return parseKept(string(text)), nil
}

// parseKept reads the metrics that have no labels, in Prometheus' text format.
func parseKept(text string) kept {
	out := kept{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(name, "minik_") && name != "apiserver_storage_size_bytes" {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = n
		}
	}
	return out
}

// lines say what is on disk, and how far back history reaches; none where the server does not tell.
func (k kept) lines() [][2]string {
	oldest, ok := k["minik_history_oldest_revision"]
	if !ok {
		return nil
	}
	disk := fmt.Sprintf("%s, %s in use", sizeText(k["apiserver_storage_size_bytes"]), sizeText(k["minik_storage_in_use_bytes"]))
	history := fmt.Sprintf("revisions %.0f to %.0f", oldest, k["minik_history_newest_revision"])
	if age, ok := k["minik_history_age_seconds"]; ok {
		history += fmt.Sprintf(", the oldest %s old", ageText(age))
	}
	var bounds []string
	if most := k["minik_history_max_age_seconds"]; most > 0 {
		bounds = append(bounds, "for "+ageText(most))
	}
	if most := k["minik_history_max_bytes"]; most > 0 {
		bounds = append(bounds, "up to "+sizeText(most))
	}
	if len(bounds) > 0 {
		history += "; kept " + strings.Join(bounds, ", ")
	}
	return [][2]string{{"disk", disk}, {"history", history}}
}

func ageText(seconds float64) string {
	return duration.HumanDuration(time.Duration(seconds * float64(time.Second)))
}

// sizeText is a size with one decimal, in powers of 1024.
func sizeText(bytes float64) string {
	unit := 0
	for bytes >= 1024 && unit < 3 {
		bytes /= 1024
		unit++
	}
	return strings.TrimSuffix(strconv.FormatFloat(bytes, 'f', 1, 64), ".0") + " " + []string{"B", "KiB", "MiB", "GiB"}[unit]
}
