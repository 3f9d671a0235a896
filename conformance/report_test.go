package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2/types"
	"github.com/stretchr/testify/require"
)

// spec is a finished spec as ginkgo reports it.
func spec(text string, state types.SpecState, message string) types.SpecReport {
	return types.SpecReport{
		ContainerHierarchyTexts: []string{"[sig-apps] Deployment"}, LeafNodeText: text, LeafNodeType: types.NodeTypeIt, State: state,
		Failure: types.Failure{Message: message},
	}
}

// Each conformance spec is counted once: by the pass that it was in, and not by the one that left it out.
func TestTabulate(t *testing.T) {
	parallel := report{SpecReports: types.SpecReports{
		spec("rolls out [Conformance]", types.SpecStatePassed, ""),
		spec("times out [Conformance]", types.SpecStateTimedout, "\n  A spec timeout occurred\nat some place"),
		spec("needs two zones [Conformance]", types.SpecStateSkipped, "only one zone"),
		spec("drains alone [Serial] [Conformance]", types.SpecStateSkipped, ""),
		spec("nobody came to it [Conformance]", types.SpecStateSkipped, ""),
		spec("is about something else", types.SpecStateFailed, "no conformance spec"),
		{LeafNodeType: types.NodeTypeBeforeSuite, State: types.SpecStatePassed},
	}}
	serial := report{SpecReports: types.SpecReports{
		spec("rolls out [Conformance]", types.SpecStateSkipped, ""),
		spec("times out [Conformance]", types.SpecStateSkipped, ""),
		spec("needs two zones [Conformance]", types.SpecStateSkipped, ""),
		spec("drains alone [Serial] [Conformance]", types.SpecStatePassed, ""),
		spec("nobody came to it [Conformance]", types.SpecStateSkipped, ""),
	}}
	at := func(text string, o outcome, why string) finding {
		return finding{"sig-apps", "[sig-apps] Deployment " + text, o, why}
	}
	want := findings{
		at("drains alone [Serial] [Conformance]", passed, ""),
		at("needs two zones [Conformance]", notRun, "only one zone"),
		at("nobody came to it [Conformance]", notRun, neverBegun),
		at("rolls out [Conformance]", passed, ""),
		at("times out [Conformance]", failed, "A spec timeout occurred"),
	}
	everything := regexp.MustCompile("")
	require.Equal(t, want, tabulate([]report{parallel, serial}, everything))
	require.Equal(t, want, tabulate([]report{serial, parallel}, everything))
	require.Len(t, tabulate([]report{parallel, serial}, regexp.MustCompile("rolls out")), 1)
}

// A spec that timed out says what it waited for, when it has said that.
func TestFirstLine(t *testing.T) {
	require.Equal(t, "it waited for a pod", firstLine(
		"A spec timeout occurred and then the following failure was recorded in the timedout node before it exited:\n it waited for a pod\n", ""))
	require.Equal(t, "panicked", firstLine(" \n", "panicked"))
}

// The page has one section for each runtime; a run replaces its own.
func TestWithSection(t *testing.T) {
	sim := about{"sim", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), 90 * time.Minute, 30 * time.Second}
	docker := about{"docker", sim.when, time.Hour, time.Minute}
	fs := findings{
		{"sig-apps", "rolls out", passed, ""}, {"sig-apps", "times out", failed, "`why`"}, {"sig-node", "needs zones", notRun, "one zone"},
	}
	page := withSection("", "sim", fs.markdown(sim))
	require.Contains(t, page, "Run on 2026-12-01, in 90 min, each spec for 30s at most: of 3 specs 1 passed, 1 failed, 1 were not run")
	require.Contains(t, page, "| sig-apps | 1 | 1 | 0 |\n| sig-node | 0 | 0 | 1 |\n")
	require.Contains(t, page, emptily)
	require.Contains(t, page, "- times out  \n  `'why'`\n")
	page = withSection(page, "docker", fs[:1].markdown(docker))
	require.Less(t, len(heading), len(page))
	require.Regexp(t, "(?s)^# Conformance.*\n## docker\n.*\n## sim\n", page)
	require.Equal(t, page, withSection(page, "docker", fs[:1].markdown(docker)), "the same run leaves the same page")

	path := filepath.Join(t.TempDir(), "conformance.md")
	require.NoError(t, rewriteSection(path, "sim", fs.markdown(sim)))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, withSection("", "sim", fs.markdown(sim)), string(text))
}

func TestLibraries(t *testing.T) {
	out := "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n"
	require.Equal(t, []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}, libraries([]byte(out)))
}
