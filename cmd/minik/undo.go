package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"minik.dev/history"
	"minik.dev/journal"
)

func newUndo(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "undo REVISION",
		Short: "Write the object that a revision changed back to what it was before",
		Long: "Write the object that a revision changed back to what it was before it: a deleted one is created again, a created\n" +
			"one is deleted, of a changed one everything but its status becomes what it was. It goes through the ordinary API,\n" +
			"so what the API refuses stays refused, and the undoing is a revision itself. `minik get revisions` lists them.",
		Example: "  minik undo 1234\n  minik undo 1234 --yes",
		Args:    exactly("REVISION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || n <= 0 {
				return usagef(cmd, "%q is no revision: it is a number, as `minik get revisions` lists them", args[0])
			}
			config, err := restConfig(cmd, home)
			if err != nil {
				return err
			}
			return runUndo(cmd.Context(), journal.Config(config, "minik"), streams, n, yes, force)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Write it without asking")
	cmd.Flags().BoolVar(&force, "force", false, "Also where the object was changed again since, which is lost then")
	return cmd
}

func runUndo(ctx context.Context, config *rest.Config, streams genericiooptions.IOStreams, n int64, yes, force bool) error {
	u, err := history.NewUndo(ctx, config, n, force)
	if err != nil {
		return err
	}
	diff, err := u.Diff()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(streams.Out, "revision %d: %s %s by %s\n%s %s:\n%s", n, u.Revision.Verb, history.ObjectOf(u.Revision),
		history.ActorOf(u.Revision), u.Verb, u.Object(), diff)
	if !yes && !agreed(streams, fmt.Sprintf("%s %s? [y/N] ", u.Verb, u.Object())) {
		return fmt.Errorf("revision %d is not undone: nothing was written", n)
	}
	if err := u.Write(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(streams.Out, "%s\n", u.Reason)
	return nil
}

// agreed asks on the terminal, or whoever answers in its place; no answer is no.
func agreed(streams genericiooptions.IOStreams, question string) bool {
	_, _ = fmt.Fprint(streams.Out, question)
	answer, _ := bufio.NewReader(streams.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
