package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/cluster"
	"minik.dev/terminal"
)

func newReset(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Delete the data of a cluster that is not running, and all that it has on Docker",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := noKubeconfig(cmd); err != nil {
				return err
			}
			state, err := cluster.Status(home.dataDir)
			if err != nil {
				return err
			}
			if state.PID != 0 {
				return fmt.Errorf("the cluster of data dir %s is running (process %d): end it first with `minik%s down`",
					home.dataDir, state.PID, home.flag())
			}
			if !cluster.HasData(home.dataDir) {
				_, _ = fmt.Fprintf(streams.Out, "there is no cluster's data in %s: nothing was deleted\n", home.dataDir)
				return nil
			}
			if !yes && terminal.Width(streams.Out) > 0 && !agreed(streams, fmt.Sprintf("delete all data of the cluster in %s? [y/N] ", home.dataDir)) {
				return errors.New("nothing was deleted")
			}
			if err := cluster.Reset(cmd.Context(), home.dataDir); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "the cluster's data in %s is deleted\n", home.dataDir)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Delete it without asking; nobody is asked where the output is no terminal")
	return cmd
}
