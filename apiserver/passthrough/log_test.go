package passthrough

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// The rules of upstream's PodLogOptions.
func TestLogMistakes(t *testing.T) {
	for query, want := range map[string]string{
		"tailLines=0&limitBytes=1&sinceSeconds=1": "",
		"tailLines=-1":   "tailLines: Invalid value: -1: must be greater than or equal to 0",
		"limitBytes=0":   "limitBytes: Invalid value: 0: must be greater than 0",
		"sinceSeconds=x": `sinceSeconds: Invalid value: "x": strconv.ParseInt: parsing "x": invalid syntax`,
		"sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z": "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` " +
			"may be specified",
	} {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		got := ""
		if mistakes := LogMistakes(values); len(mistakes) > 0 {
			got = mistakes.ToAggregate().Error()
		}
		require.Equal(t, want, got, query)
	}
}
