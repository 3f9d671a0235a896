package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"minik.dev/apiserver/store"
)

func TestParseHistory(t *testing.T) {
	for text, want := range map[string]store.History{
		"12h":        {Age: 12 * time.Hour},
		"5m":         {Age: 5 * time.Minute},
		"500Mi":      {Bytes: 500 << 20},
		"12h,1Gi":    DefaultHistory,
		"2G, 1h30m":  {Age: 90 * time.Minute, Bytes: 2e9},
		"9223372036": {Bytes: 9223372036}, // an etcd elsewhere may be larger
	} {
		got, err := ParseHistory(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":          `"" is neither an age nor a size: examples are 90m, 12h, 500Mi, 2Gi`,
		"long":      `"long" is neither an age nor a size`,
		"12h,":      `"" is neither an age nor a size`,
		"12h,1h":    "two ages are given",
		"1Gi,2Gi":   "two sizes are given",
		"0":         `"0" is no time to keep anything`,
		"-1h":       `"-1h" is no time to keep anything`,
		"-1Gi":      `"-1Gi" is no room to keep anything`,
		"1m":        "history is kept for at least 5m0s, not 1m0s: lists are read from it page by page",
		"1Mi":       "history is bounded by 64Mi at least, not 1Mi: the present needs room, too",
		"12h,100Ki": "history is bounded by 64Mi at least, not 100Ki",
	} {
		_, err := ParseHistory(text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := New(Options{Ephemeral: true, Nodes: 1, History: store.History{Bytes: 4 << 30}})
	require.ErrorContains(t, err, "history is bounded by 3Gi at most, not 4Gi: etcd stops at 4Gi, and takes no writes then")
	_, err = New(Options{Ephemeral: true, Nodes: 1, EtcdServers: []string{"http://127.0.0.1:1"}, History: store.History{Bytes: 4 << 30}})
	require.NoError(t, err)
}
