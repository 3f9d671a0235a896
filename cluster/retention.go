package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"minik.dev/apiserver/store"
)

// DefaultHistory is what is kept of the past where nobody says otherwise: a long class, and a quarter of etcd's quota.
var DefaultHistory = store.History{Age: 12 * time.Hour, Bytes: 1 << 30}

const (
	// leastHistory is below what a small cluster needs without any history.
	leastHistory = 64 << 20
	// mostHistory leaves a quarter of the embedded etcd's quota: what it is filled with between two looks, and afterwards
	// it takes no more writes.
	mostHistory = 3 << 30
)

// ParseHistory reads how much of the past is kept: an age, a size, or both, of which the one that is reached first counts:
// "12h", "500Mi", "12h,1Gi".
func ParseHistory(text string) (store.History, error) {
	var h store.History
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		age, err := time.ParseDuration(part)
		switch {
		case err == nil && age <= 0:
			return h, fmt.Errorf("%q is no time to keep anything", part)
		case err == nil && h.Age != 0:
			return h, errors.New("two ages are given")
		case err == nil:
			h.Age = age
			continue
		}
		size, err := resource.ParseQuantity(part)
		switch {
		case err != nil:
			return h, fmt.Errorf("%q is neither an age nor a size: examples are 90m, 12h, 500Mi, 2Gi", part)
		case h.Bytes != 0:
			return h, errors.New("two sizes are given")
		case size.Sign() <= 0:
			return h, fmt.Errorf("%q is no room to keep anything", part)
		}
		h.Bytes = size.Value()
	}
	return h, checkHistory(h, false)
}

// checkHistory refuses bounds that would hurt: compaction must not take away what a list is read from, and must begin well
// before etcd is full.
func checkHistory(h store.History, embedded bool) error {
	switch {
	case h.Age != 0 && h.Age < store.KeepAtLeast:
		return fmt.Errorf("history is kept for at least %s, not %s: lists are read from it page by page", store.KeepAtLeast, h.Age)
	case h.Bytes != 0 && h.Bytes < leastHistory:
		return fmt.Errorf("history is bounded by %s at least, not %s: the present needs room, too", bytesText(leastHistory),
			bytesText(h.Bytes))
	case embedded && h.Bytes > mostHistory:
		return fmt.Errorf("history is bounded by %s at most, not %s: etcd stops at 4Gi, and takes no writes then",
			bytesText(mostHistory), bytesText(h.Bytes))
	}
	return nil
}

func bytesText(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }
