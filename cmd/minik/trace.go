package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/history"
	"minik.dev/journal"
	"minik.dev/terminal"
)

// alikeAtMost is how many writes that are alike are shown one by one, and alikeOnTerminal where a person looks on.
const (
	alikeAtMost     = 5
	alikeOnTerminal = 1
)

func newTrace(streams genericiooptions.IOStreams, home *home, flags *genericclioptions.ConfigFlags) *cobra.Command {
	var output string
	var full bool
	cmd := &cobra.Command{
		Use:   "trace KIND/NAME",
		Short: "Show what led to an object, and what followed from it, step by step",
		Example: "  minik trace deployment/web           # from the apply to every container running\n" +
			"  minik trace pod/web-x                # who made this pod, who deleted it, and why\n" +
			"  minik trace deployment/web -o json   # every step with all that is known of it\n" +
			"  minik trace deployment/web -o otlp   # for a tracing tool that reads OTLP's JSON",
		Annotations: map[string]string{takesFlags: namespaceFlag},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "KIND/NAME is missing")
			}
			return oneObject(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := traceOutputs[output]
			if !ok {
				return usagef(cmd, "--output %q is none of tree, json, otlp", output)
			}
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			object, err := read.object(cmd, args)
			if err != nil {
				return err
			}
			revisions, err := read.Around(cmd.Context(), *object)
			if err != nil {
				return err
			}
			style := history.TraceStyle{Most: alikeAtMost, Width: terminal.Width(streams.Out), Namespace: object.Namespace,
				Whole: full, Zone: time.Local}
			switch {
			case full:
				style.Most = len(revisions)
			case style.Width > 0:
				style.Most = alikeOnTerminal
			}
			return write(streams.Out, journal.Trace(revisions, *object), *object, style)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "tree", "How the steps are written: tree, json or otlp")
	cmd.Flags().BoolVar(&full, "full", false, "Show every step, also where several are alike, and every reason as a whole")
	return cmd
}

// traceOutputs are the forms of a trace.
var traceOutputs = map[string]func(io.Writer, []*journal.Step, journal.Object, history.TraceStyle) error{
	"tree": func(out io.Writer, roots []*journal.Step, _ journal.Object, style history.TraceStyle) error {
		_, err := io.WriteString(out, history.TraceText(roots, style))
		return err
	},
	"json": func(out io.Writer, roots []*journal.Step, object journal.Object, _ history.TraceStyle) error {
		return writeJSON(out, history.TraceJSON(roots, object))
	},
	"otlp": func(out io.Writer, roots []*journal.Step, _ journal.Object, _ history.TraceStyle) error {
		return writeJSON(out, history.TraceOTLP(roots))
	},
}

func writeJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
