package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// `at MOMENT` is taken out of a command line whatever flags stand before it, and only where a verb follows.
func TestCutMoment(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.StringP("namespace", "n", "", "")
	flags.Bool("insecure", false, "")
	flags.String("data-dir", "", "")
	for line, want := range map[string]string{
		"at 12 get pods":                    "12: get pods",
		"at -10m get pods -A":               "-10m: get pods -A",
		"--data-dir at at 12 get at":        "12: --data-dir at get at",
		"--data-dir=x -n shop at 12 get":    "12: --data-dir=x -n shop get",
		"--insecure at 12 -n shop describe": "12: --insecure -n shop describe",
		"get pods at 12":                    ": get pods at 12",
		"at":                                ": at",
		"at 12":                             ": at 12",
		"at 12 -n shop":                     ": at 12 -n shop",
		"at --help":                         ": at --help",
		"at -h get":                         ": at -h get",
		"--data-dir at":                     ": --data-dir at",
	} {
		rest, word := cutMoment(flags, strings.Fields(line))
		require.Equal(t, want, word+": "+strings.Join(rest, " "), line)
	}
}
