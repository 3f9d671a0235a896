package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2/types"
)

// outcome is how a spec ended.
type outcome string

const (
	passed outcome = "passed"
	failed outcome = "failed"
	notRun outcome = "not run"
)

// finding is what a spec found.
type finding struct {
	sig, spec string
	outcome   outcome
	why       string // the first line of why it failed or was not run
}

// findings are those of all conformance specs that a run was about, by SIG and name.
type findings []finding

var sigs = regexp.MustCompile(`\[(sig-[a-z-]+)\]`)

// tabulate makes one finding for each conformance spec whose text the focus matches. A spec is in the report of every pass: in that
// which was not for it, it was skipped without a word.
func tabulate(reports []report, focus *regexp.Regexp) findings {
	bySpec := map[string]finding{}
	for _, r := range reports {
		for _, spec := range r.SpecReports {
			text := spec.FullText()
			if spec.LeafNodeType != types.NodeTypeIt || !strings.Contains(text, "[Conformance]") || !focus.MatchString(text) {
				continue
			}
			f := findingOf(spec, text)
			if before, ok := bySpec[text]; !ok || before.outcome == notRun && before.why == neverBegun {
				bySpec[text] = f
			}
		}
	}
	return slices.SortedFunc(maps.Values(bySpec), func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.sig, b.sig), cmp.Compare(a.spec, b.spec))
	})
}

// neverBegun is why a spec was not run that nobody came to.
const neverBegun = "the run ended before its turn"

func findingOf(spec types.SpecReport, text string) finding {
	f := finding{sig: "no SIG", spec: text, outcome: notRun, why: neverBegun}
	if sig := sigs.FindStringSubmatch(text); sig != nil {
		f.sig = sig[1]
	}
	switch {
	case spec.State.Is(types.SpecStatePassed):
		f.outcome, f.why = passed, ""
	case spec.State.Is(types.SpecStateFailureStates):
		f.outcome, f.why = failed, firstLine(spec.Failure.Message, spec.State.String())
	case spec.Failure.Message != "":
		f.why = firstLine(spec.Failure.Message, "")
	}
	return f
}

// longest is how much of a line is shown.
const longest = 220

// timedOut is what ginkgo says before what a spec that took too long was waiting for.
const timedOut = "A spec timeout occurred and then the following failure"

// firstLine is the first line that says something.
func firstLine(message, otherwise string) string {
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, timedOut) {
			continue
		}
		if len(line) > longest {
			line = strings.ToValidUTF8(line[:longest], "") + "…"
		}
		return line
	}
	return otherwise
}

// count is how many specs ended each way.
func (fs findings) count(sig string) (n map[outcome]int) {
	n = map[outcome]int{}
	for _, f := range fs {
		if sig == "" || f.sig == sig {
			n[f.outcome]++
		}
	}
	return n
}

// emptily is what a reader must know of a run with simulated containers.
const emptily = "Containers are simulated: they run nothing, log nothing and exit with 0. So specs that only wait for a pod to succeed " +
	"pass emptily, and those that read what a container wrote, or call what it serves, fail."

// about is what a reader must know of a run besides what it found.
type about struct {
	runtime     string
	when        time.Time
	took, limit time.Duration // limit is that of each spec
}

// markdown is the section of a run: the table by SIG, what failed and what was not run.
func (fs findings) markdown(run about) string {
	var b strings.Builder
	all := fs.count("")
	fmt.Fprintf(&b, "## %s\n\nRun on %s, in %s, each spec for %s at most: of %d specs %d passed, %d failed, %d were not run.\n", run.runtime,
		run.when.Format(time.DateOnly), minutes(run.took), minutes(run.limit), len(fs), all[passed], all[failed], all[notRun])
	if run.runtime == "sim" {
		b.WriteString("\n" + emptily + "\n")
	}
	b.WriteString("\n| SIG | passed | failed | not run |\n|---|---:|---:|---:|\n")
	for _, sig := range fs.sigs() {
		n := fs.count(sig)
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", sig, n[passed], n[failed], n[notRun])
	}
	for _, o := range []outcome{failed, notRun} {
		if all[o] == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n", run.runtime, o)
		for _, f := range fs {
			if f.outcome == o {
				fmt.Fprintf(&b, "- %s  \n  `%s`\n", f.spec, strings.ReplaceAll(f.why, "`", "'"))
			}
		}
	}
	return b.String()
}

// minutes words a time to the minute, where it is as long as that.
func minutes(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}

func (fs findings) sigs() []string {
	var sigs []string
	for _, f := range fs {
		if !slices.Contains(sigs, f.sig) {
			sigs = append(sigs, f.sig)
		}
	}
	return sigs
}

// heading is what the page begins with.
const heading = `# Conformance

What upstream's own conformance suite (the specs with [Conformance] of k8s.io/kubernetes/test/e2e, v1.37.2) finds in minik. ` + "`make conformance`" + `
writes this page. minik is not conformant while a spec fails or is not run.
`

// rewriteSection puts a run's section into the page, in place of the last one of the same runtime.
func rewriteSection(path, runtime, section string) error {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the last tables: %w", err)
	}
	if err := os.WriteFile(path, []byte(withSection(string(before), runtime, section)), 0o644); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return nil
}

// withSection is the page with the section of a runtime; sections are in the order of their names.
func withSection(page, runtime, section string) string {
	sections := map[string]string{}
	for _, part := range strings.Split("\n"+page, "\n## ")[1:] {
		name, _, _ := strings.Cut(part, "\n")
		sections[name] = "## " + strings.TrimRight(part, "\n") + "\n"
	}
	sections[runtime] = section
	out := heading
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		out += "\n" + sections[name]
	}
	return out
}
