// Package page keeps docs/fidelity.md: what was compared, how often, and what is known to differ. Each run that is asked to replaces its
// own section, and leaves those of others.
//
//  1. The tests [Page.Count] what they have compared, by what it was and how.
//  2. [Known] reads known.txt, whose differences fail no test.
//  3. When all have passed, [Page.Write] makes a table of that, with the lines of known.txt.
//
// Upstream are the tests of package fidelity and its rooms; downstream is who reads README.
package page

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Page is one section of the page.
type Page struct {
	Title string
	// About is what is above the table: what is compared with what.
	About string
	// Rows is the head of the first column, Columns those of the others.
	Rows    string
	Columns []string
	// Known are the lines of known.txt.
	Known []string

	mu     sync.Mutex
	order  []string
	counts map[string]map[string]int
}

// Count counts n comparisons of a row in a column.
func (p *Page) Count(row, column string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = map[string]map[string]int{}
	}
	if p.counts[row] == nil {
		p.counts[row] = map[string]int{}
		p.order = append(p.order, row)
	}
	p.counts[row][column] += n
}

// Write puts the section into the file, in the place of an earlier one of that title.
func (p *Page) Write(path string) error {
	before, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		before, err = []byte(head), nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(p.into(string(before))), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

const head = `# Fidelity

How often minik was compared with upstream's own code, k8s.io/kubernetes, and agreed. The runs write this page: ` +
	"`make fidelity PAGE=docs/fidelity.md`" + `.
A difference that is not explained below fails the run.
`

// into is the text with the section.
func (p *Page) into(text string) string {
	begin := "## " + p.Title + "\n"
	at := strings.Index(text, begin)
	if at < 0 {
		return strings.TrimRight(text, "\n") + "\n\n" + p.section()
	}
	rest := text[at+len(begin):]
	if end := strings.Index(rest, "\n## "); end >= 0 {
		return text[:at] + p.section() + rest[end:]
	}
	return text[:at] + p.section()
}

func (p *Page) section() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\n%s\n\n| %s | %s |\n|---|%s\n", p.Title, p.About, p.Rows, strings.Join(p.Columns, " | "),
		strings.Repeat("---:|", len(p.Columns)))
	for _, row := range p.order {
		fmt.Fprintf(&out, "| %s |", row)
		for _, column := range p.Columns {
			if n := p.counts[row][column]; n > 0 {
				fmt.Fprintf(&out, " %d |", n)
			} else {
				out.WriteString(" |")
			}
		}
		out.WriteString("\n")
	}
	if len(p.Known) > 0 {
		out.WriteString("\nKnown to differ:\n\n")
		known := slices.Clone(p.Known)
		slices.Sort(known)
		for _, line := range known {
			difference, reason, _ := strings.Cut(line, " # ")
			fmt.Fprintf(&out, "- %s: `%s`\n", reason, strings.ReplaceAll(difference, "`", "'"))
		}
	}
	return out.String()
}

// Known are the differences that the file explains: a line each, with its reason after #.
func Known(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" {
			continue
		}
		difference, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d gives no reason", file, i+1)
		}
		all[difference] = reason
	}
	return all, nil
}
