package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/api"
	"minik.dev/journal"
)

// alikeAtMost is how many writes that are alike are shown one by one.
const alikeAtMost = 5

func newTrace(streams genericiooptions.IOStreams, home *home, flags *genericclioptions.ConfigFlags) *cobra.Command {
	var output string
	var all bool
	cmd := &cobra.Command{
		Use:   "trace KIND/NAME",
		Short: "Show what led to an object, and what followed from it, step by step",
		Example: "  minik trace deployment/web           # from the apply to every container running\n" +
			"  minik trace pod/web-x                # who made this pod, who deleted it, and why\n" +
			"  minik trace deployment/web -o json   # every step with all that is known of it\n" +
			"  minik trace deployment/web -o otlp   # for a tracing tool that reads OTLP's JSON",
		Annotations: map[string]string{takesFlags: namespaceFlag},
		Args:        exactly("KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := traceOutputs[output]
			if !ok {
				return usagef(cmd, "--output %q is none of tree, json, otlp", output)
			}
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			object, err := read.object(cmd, args[0])
			if err != nil {
				return err
			}
			revisions, err := read.around(cmd.Context(), object)
			if err != nil {
				return err
			}
			most := alikeAtMost
			if all {
				most = len(revisions)
			}
			return write(streams.Out, journal.Trace(revisions, object), object, most)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "tree", "How the steps are written: tree, json or otlp")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("Show every step, also where more than %d are alike", alikeAtMost))
	return cmd
}

// traceOutputs are the forms of a trace.
var traceOutputs = map[string]func(io.Writer, []*journal.Step, journal.Object, int) error{
	"tree": func(out io.Writer, roots []*journal.Step, _ journal.Object, most int) error {
		_, err := io.WriteString(out, renderTrace(roots, most, time.Local))
		return err
	},
	"json": func(out io.Writer, roots []*journal.Step, object journal.Object, _ int) error {
		return writeJSON(out, traceJSON(roots, object))
	},
	"otlp": func(out io.Writer, roots []*journal.Step, _ journal.Object, _ int) error {
		return writeJSON(out, traceOTLP(roots))
	},
}

func writeJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// around reads the revisions that a trace of the object needs: all from its first write on, and before that what led to it.
func (r *reader) around(ctx context.Context, object journal.Object) ([]api.Revision, error) {
	var first int64
	err := r.revisions(ctx, about(object), 0, func(revision api.Revision) bool {
		n, err := number(revision.ObjectMeta.Name)
		if err == nil {
			first = n
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	if first == 0 {
		return nil, unknownObject(object)
	}
	var revisions []api.Revision
	err = r.revisions(ctx, nil, 0, func(revision api.Revision) bool {
		n, err := number(revision.ObjectMeta.Name)
		if err != nil || n < first {
			return false
		}
		revisions = append(revisions, revision)
		return true
	})
	if err != nil {
		return nil, err
	}
	asked := map[int64]bool{}
	for more := true; more; {
		more = false
		for _, n := range journal.Unknown(revisions, object) {
			if asked[n] {
				continue
			}
			asked[n] = true
			revision, ok, err := r.revision(ctx, n)
			if err != nil {
				return nil, err
			}
			if ok {
				revisions, more = append(revisions, revision), true
			}
		}
	}
	return revisions, nil
}
