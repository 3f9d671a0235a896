package main

import (
	"fmt"
	"runtime"
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
		exportText(runtime.GOOS, n.kubeconfig),
		"kubectl get nodes")
	where, end := "In a second terminal", "Ctrl-C ends it"
	if n.detach {
		where, end = "Now type", n.minik+" down ends it"
	}
	return fmt.Sprintf("\nready. %s:\n  %s\n%s; %s.\n", where, strings.Join(lines, "\n  "), end, n.data)
}

// exportText makes the machine's own kubectl speak to the cluster, in the words of the system's usual shell.
func exportText(system, kubeconfig string) string {
	if system == "windows" {
		return `$env:KUBECONFIG="` + kubeconfig + `"`
	}
	if strings.ContainsAny(kubeconfig, " \t'\"$`\\&;()<>|*?#~") {
		kubeconfig = "'" + strings.ReplaceAll(kubeconfig, "'", `'\''`) + "'"
	}
	return "export KUBECONFIG=" + kubeconfig
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
