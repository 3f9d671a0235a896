package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/journal"
)

func newNode(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node stop|start NAME",
		Short: "Take the power from a node, or give it back",
		Args:  func(cmd *cobra.Command, args []string) error { return wrongSubcommand(cmd, args) },
		RunE:  func(cmd *cobra.Command, args []string) error { return wrongSubcommand(cmd, args) },
	}
	for _, power := range []struct {
		verb, short, done string
		stopped           bool
	}{
		{"stop", "The node loses power: its containers end and its heartbeat stops",
			"node %[1]s has no power. It is NotReady once its lease runs out, after about 8 s; its pods are replaced on other\n" +
				"nodes when their tolerationSeconds are over too, 300 s unless a pod says otherwise.\n" +
				"`minik%[2]s node start %[1]s` gives it back.\n", true},
		{"start", "The node gets its power back",
			"node %[1]s has its power back: it is Ready in a moment, and starts the pods that it still has\n", false},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:   power.verb + " NAME",
			Short: power.short,
			Args:  exactly("NAME of the node"),
			RunE: func(cmd *cobra.Command, args []string) error {
				config, err := restConfig(cmd, home)
				if err != nil {
					return err
				}
				reason := fmt.Sprintf("`minik node %s %s` was typed", power.verb, args[0])
				ctx := journal.WithReason(cmd.Context(), reason)
				if err := setPower(ctx, journal.Config(config, "minik"), args[0], power.stopped); err != nil {
					return err
				}
				_, _ = fmt.Fprintf(streams.Out, power.done, args[0], home.flag())
				return nil
			},
		})
	}
	return cmd
}

// wrongSubcommand is what a verb with subcommands says where none of them was named.
func wrongSubcommand(cmd *cobra.Command, args []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	if len(args) == 0 {
		return usagef(cmd, "one of %s is missing", strings.Join(names, ", "))
	}
	return usagef(cmd, "%q is none of %s", args[0], strings.Join(names, ", "))
}

// setPower writes the control of the node's kubelet. A node that the cluster does not know is refused.
func setPower(ctx context.Context, config *rest.Config, node string, stopped bool) error {
	if err := knownNode(ctx, config, node); err != nil {
		return err
	}
	client, err := api.NewClient(config)
	if err != nil {
		return err
	}
	_, err = editControl(ctx, client, "kubelet/"+node, func(c *api.Control) { c.Spec.Stopped = stopped })
	return err
}

// knownNode refuses a node that does not exist, and names those that do.
func knownNode(ctx context.Context, config *rest.Config, name string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("asking the API server at %s for its nodes: %w", config.Host, err)
	}
	var known []string
	for _, node := range nodes.Items {
		if node.Name == name {
			return nil
		}
		known = append(known, node.Name)
	}
	return fmt.Errorf("there is no node %q: the cluster has %s", name, someOf(known, ", "))
}
