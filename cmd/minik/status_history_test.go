package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeptLines(t *testing.T) {
	text := `# HELP apiserver_storage_size_bytes Size of the storage database file physically allocated.
# TYPE apiserver_storage_size_bytes gauge
apiserver_storage_size_bytes 2.5165824e+07
apiserver_request_total{verb="GET"} 7
minik_storage_in_use_bytes 1536
minik_history_oldest_revision 812
minik_history_newest_revision 1.234567e+06
minik_history_age_seconds 7380
minik_history_max_age_seconds 43200
minik_history_max_bytes 1.073741824e+09
`
	require.Equal(t, [][2]string{
		{"disk", "24 MiB, 1.5 KiB in use"},
		{"history", "revisions 812 to 1234567, the oldest 123m old; kept for 12h, up to 1 GiB"},
	}, parseKept(text).lines())
	require.Equal(t, "revisions 1 to 1", kept{"minik_history_oldest_revision": 1, "minik_history_newest_revision": 1}.lines()[1][1])
	require.Empty(t, parseKept("apiserver_request_total 7\n").lines(), "another server's")
	require.Empty(t, kept(nil).lines())
}
