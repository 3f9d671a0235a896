package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/cluster"
)

// downPatience is how long a cluster may take to end; it needs 5 s at most, and longer where an engine has hundreds of
// containers to remove.
const downPatience = time.Minute

func newDown(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End a running cluster, or take away what a killed one left, and keep its data",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := noKubeconfig(cmd); err != nil {
				return err
			}
			served, err := cluster.ServedAlone(home.dataDir)
			if err != nil {
				return err
			}
			for _, s := range served {
				if err := endServed(cmd.Context(), s, home); err != nil {
					return err
				}
				_, _ = fmt.Fprintf(streams.Out, "%s has ended (process %d)\n", s.Component, s.PID)
			}
			state, err := cluster.Status(home.dataDir)
			if err != nil {
				return err
			}
			if state.PID == 0 {
				if err := clean(cmd.Context(), streams.Out, home); len(served) == 0 || !errors.As(err, &notRunningError{}) {
					return err
				}
				return nil
			}
			if err := end(cmd.Context(), state.PID, home); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "the cluster has ended; its data stays in %s\n", home.dataDir)
			return nil
		},
	}
}

// clean takes away what a cluster whose process was killed has left on Docker.
func clean(ctx context.Context, out io.Writer, home *home) error {
	left, err := cluster.Clean(ctx, home.dataDir)
	if err != nil {
		return errors.Join(notRunning(home), err)
	}
	if left.None() {
		return notRunning(home)
	}
	_, _ = fmt.Fprintf(out, "no cluster was running any more; what it had left on %s is removed: %s; its data stays in %s\n",
		left.Engine, leftovers(left), home.dataDir)
	return nil
}

// leftovers says what there is.
func leftovers(left cluster.Leftovers) string {
	var parts []string
	switch left.Containers {
	case 0:
	case 1:
		parts = append(parts, "1 container")
	default:
		parts = append(parts, fmt.Sprintf("%d containers", left.Containers))
	}
	if left.Network {
		parts = append(parts, "its network")
	}
	return strings.Join(parts, " and ")
}

// end asks the cluster's process to end and waits until the data directory is free.
func end(ctx context.Context, pid int, home *home) error {
	return endProcess(ctx, pid, func() (bool, error) {
		state, err := cluster.Status(home.dataDir)
		if errors.Is(err, cluster.ErrInBetween) {
			return false, nil
		}
		return state.PID != pid, err
	})
}

// endServed does the same with a component that runs alone.
func endServed(ctx context.Context, s cluster.Served, home *home) error {
	return endProcess(ctx, s.PID, func() (bool, error) {
		left, err := cluster.ServedAlone(home.dataDir)
		return !slices.Contains(left, s), err
	})
}

// endProcess asks a process to end, and waits until it has.
func endProcess(ctx context.Context, pid int, ended func() (bool, error)) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("finding the cluster's process %d: %w", pid, err)
	}
	if err := terminate(process); err != nil {
		return fmt.Errorf("asking the cluster's process %d to end: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, downPatience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if over, err := ended(); over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster's process %d still runs after %s: `kill -9 %d` ends it without losing data",
				pid, downPatience, pid)
		case <-look.C:
		}
	}
}

// noKubeconfig refuses --kubeconfig on verbs that work on a data directory and not on an API.
func noKubeconfig(cmd *cobra.Command) error {
	if cmd.Flags().Changed("kubeconfig") {
		return usagef(cmd, "'%s' works on a data dir: name it with --data-dir", cmd.CommandPath())
	}
	return nil
}
