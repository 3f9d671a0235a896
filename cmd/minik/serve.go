package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/cluster"
)

// components are what `minik serve` can run alone, in the order in which a class starts them.
var components = []string{"apiserver", "controllers", "scheduler", "kubelet", "proxy", "dns"}

func newServe(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	flags := &clusterFlags{}
	var node string
	cmd := &cobra.Command{
		Use:   "serve " + strings.Join(components, "|"),
		Short: "Run one component alone, until Ctrl-C",
		Long: "Run one component alone, until Ctrl-C: six terminals make the same cluster as 'minik up'.\n" +
			"All components but the API server find it by --kubeconfig, which is the data dir's own by default. It may be that of any\n" +
			"Kubernetes: a component is then whom the kubeconfig says, and what it keeps is apart, in joined/ of the data dir. There\n" +
			"nobody can hold it, Services get no address of a load balancer from it, and --service-cidr must be the server's own; where\n" +
			"the server says it, it can be left out.\n\n" +
			"A scheduler may be started twice: one holds the Lease kube-scheduler in kube-system and decides, the other waits\n" +
			"until it ends, or is silent for 15 s. leaderElection in --scheduler-config says otherwise.",
		Example: `  minik serve apiserver
  minik serve controllers
  minik serve scheduler
  minik serve kubelet --node node-1
  minik serve proxy
  minik serve dns`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := exactly("COMPONENT (one of "+strings.Join(components, ", ")+")")(cmd, args); err != nil {
				return err
			}
			if !slices.Contains(components, args[0]) {
				return usagef(cmd, "%q is none of the components %s", args[0], strings.Join(components, ", "))
			}
			return nil
		},
		ValidArgs: components,
		RunE: func(cmd *cobra.Command, args []string) error {
			component := args[0]
			if cmd.Flags().Changed("node") && component != "kubelet" {
				return usagef(cmd, "--node names the node of a kubelet; %s has none", component)
			}
			options, err := flags.options(cmd, home)
			if err != nil {
				return err
			}
			if component == "apiserver" {
				if err := checkListen(cmd.Context(), home, false, options.Listen); err != nil {
					return err
				}
			}
			options.Logger = newLogger(cmd, streams.ErrOut)
			options.Progress = func(stage cluster.Stage) { _, _ = fmt.Fprint(streams.Out, stageLine(stage)) }
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			cluster.LimitMemory()
			err = cluster.Serve(ctx, component, options, cluster.ServeOptions{
				Kubeconfig: kubeconfigPath(cmd, home),
				NodeName:   node,
			})
			if err != nil {
				return fmt.Errorf("running %s alone: %w", component, err)
			}
			return home.keepOwner(home.dataDir)
		},
	}
	cmd.Flags().StringVar(&node, "node", "node-1", "Name of the kubelet's node")
	flags.add(cmd)
	return cmd
}
