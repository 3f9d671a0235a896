package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/cluster"
)

func newReset(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	return &cobra.Command{
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
			if err := cluster.Reset(cmd.Context(), home.dataDir); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "the cluster's data in %s is deleted\n", home.dataDir)
			return nil
		},
	}
}
