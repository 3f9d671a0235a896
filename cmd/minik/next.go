package main

import (
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/resource"
)

// next is what `minik up` knows when it says what to type next.
type next struct {
	minik      string // how minik is called for this cluster
	kubeconfig string
	namespace  string // of everything that was applied; "" where that is not one
	url        string // where a Service answers; "" where none does
	node       string // that can lose its power
	data       string // what becomes of it: "the data stays"
	detach     bool
}

func (n next) String() string {
	pods := n.minik + " get pods -o wide"
	switch n.namespace {
	case "default":
	case "":
		pods += " -A"
	default:
		pods += " -n " + n.namespace
	}
	lines := []string{pods}
	if n.url != "" {
		lines = append(lines, "curl "+n.url)
	}
	lines = append(lines,
		n.minik+" node stop "+n.node,
		"kubectl --kubeconfig "+n.kubeconfig+" get nodes")
	where, end := "In a second terminal", "Ctrl-C ends it"
	if n.detach {
		where, end = "Now type", n.minik+" down ends it"
	}
	return fmt.Sprintf("\nready. %s:\n  %s\n%s; %s.\n", where, strings.Join(lines, "\n  "), end, n.data)
}

// onlyNamespace is the namespace of all objects, or "" where they are in several.
func onlyNamespace(objects []*resource.Info) string {
	name := ""
	for _, object := range objects {
		switch {
		case !object.Namespaced() || object.Namespace == name:
		case name != "":
			return ""
		default:
			name = object.Namespace
		}
	}
	return name
}

// firstURL is one that a browser understands and that answered, from outside of the cluster if there is such a one.
func firstURL(answers []answer) string {
	url := ""
	for _, a := range answers {
		if a.OK && (a.Scheme == "http" || a.Scheme == "https") && (url == "" || a.Outside) {
			url = a.serviceURL.String()
			if a.Outside {
				return url
			}
		}
	}
	return url
}

// applySummary counts what kubectl's apply printed, a line an object: "9 created, 2 unchanged".
func applySummary(printed string) string {
	var order []string
	counts := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(printed), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		what := fields[1]
		if counts[what]++; counts[what] == 1 {
			order = append(order, what)
		}
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return strings.Join(parts, ", ")
}
