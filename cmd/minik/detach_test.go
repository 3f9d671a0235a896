package main

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// The first process copies what the second prints, and learns from its last byte how it went.
func TestCopyProgress(t *testing.T) {
	for _, c := range []struct {
		name, pipe, printed, failure string
		ready                        bool
		refused                      int
	}{
		{name: "ready", pipe: "etcd 10ms\n\x04", printed: "etcd 10ms\n", ready: true},
		{name: "refused", pipe: "refused:\n  a\n\x1812", printed: "refused:\n  a\n", ready: true, refused: 12},
		{name: "failed", pipe: "etcd 10ms\n\x15port 6443 is taken", printed: "etcd 10ms\n", failure: "port 6443 is taken"},
		{name: "died", pipe: "etcd 10ms\n", printed: "etcd 10ms\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			ready, refused, failure := copyProgress(&out, iotest.OneByteReader(strings.NewReader(c.pipe)))
			require.Equal(t, c.printed, out.String())
			require.Equal(t, c.ready, ready)
			require.Equal(t, c.refused, refused)
			require.Equal(t, c.failure, failure)
		})
	}
}
