package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"

	"minik.dev/api"
	"minik.dev/cluster"
	"minik.dev/rollout"
	"minik.dev/terminal"
)

// statusPatience bounds the questions to the API server.
const statusPatience = 5 * time.Second

func newStatus(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether the cluster runs, where, how its nodes and pods are, what is kept and what is held",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := terminal.Wrapped(streams.Out)
			if !cmd.Flags().Changed("kubeconfig") {
				state, err := cluster.Status(home.dataDir)
				if err != nil {
					return err
				}
				if state.PID == 0 {
					printLeftovers(cmd.Context(), out, home)
					return notRunning(home)
				}
				printProcess(out, state, home)
			}
			return printCluster(cmd, out, home)
		},
	}
}

// printProcess says what the data directory knows of the running cluster.
func printProcess(out io.Writer, state cluster.State, home *home) {
	for _, row := range [][2]string{
		{"process", fmt.Sprint(state.PID)},
		{"data dir", home.dataDir},
		{"kubeconfig", home.kubeconfig()},
		{"log", home.logFile()},
		{"runtime", state.Runtime},
		{"etcd", state.Etcd},
	} {
		if row[1] != "" {
			_, _ = fmt.Fprintf(out, "%-11s %s\n", row[0], row[1])
		}
	}
}

// printLeftovers says what a cluster that does not run any more has on Docker. Where Docker cannot be asked, that is what is
// said.
func printLeftovers(ctx context.Context, out io.Writer, home *home) {
	left, err := cluster.FindLeftovers(ctx, home.dataDir)
	switch {
	case err != nil:
		_, _ = fmt.Fprintf(out, "%-11s %v\n", "left", err)
	case !left.None():
		_, _ = fmt.Fprintf(out, "%-11s %s on %s: `minik%s up` finds them again, `minik%[4]s down` removes them\n", "left",
			leftovers(left), left.Engine, home.flag())
	}
}

// printCluster says what the API server knows.
func printCluster(cmd *cobra.Command, out io.Writer, home *home) error {
	config, err := restConfig(cmd, home)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), statusPatience)
	defer cancel()
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("asking the API server at %s for its nodes: %w", config.Host, err)
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("asking the API server at %s for its pods: %w", config.Host, err)
	}
	_, _ = fmt.Fprintf(out, "%-11s %s\n", "server", config.Host)
	_, _ = fmt.Fprintf(out, "%-11s %s\n", "nodes", nodesLine(nodes.Items))
	_, _ = fmt.Fprintf(out, "%-11s %s\n", "pods", podsLine(pods.Items))
	stored, err := askKept(ctx, client.CoreV1().RESTClient())
	switch {
	case apierrors.IsForbidden(err): // not everybody who may list pods may see the server's numbers
	case err != nil:
		return err
	}
	for _, line := range stored.lines() {
		_, _ = fmt.Fprintf(out, "%-11s %s\n", line[0], line[1])
	}
	controls, err := api.NewClient(config)
	if err != nil {
		return err
	}
	held, err := heldControls(ctx, controls)
	for i := range held {
		_, _ = fmt.Fprintf(out, "%-11s %s\n", "held", heldLine(componentOf(held[i].Name), &held[i]))
	}
	return err
}

// nodesLine counts the nodes and names those that are not ready.
func nodesLine(nodes []corev1.Node) string {
	var notReady []string
	simulated := 0
	for i, node := range nodes {
		if !nodeReady(node) {
			notReady = append(notReady, node.Name)
		}
		if api.IsSimulated(&nodes[i]) {
			simulated++
		}
	}
	line := fmt.Sprintf("%d of %d ready", len(nodes)-len(notReady), len(nodes))
	if simulated > 0 {
		line += fmt.Sprintf(", %d of them simulated for scale", simulated)
	}
	if len(notReady) > 0 {
		line += "; not ready: " + someOf(notReady, " ")
	}
	return line
}

// namedAtMost bounds how many names a line has.
const namedAtMost = 20

// someOf joins the names, or the first of many.
func someOf(names []string, separator string) string {
	if more := len(names) - namedAtMost; more > 0 {
		return strings.Join(names[:namedAtMost], separator) + fmt.Sprintf("%sand %d more", separator, more)
	}
	return strings.Join(names, separator)
}

func nodeReady(node corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// podsLine counts the pods that are as they should be, and those that are not, by what keeps them.
func podsLine(pods []corev1.Pod) string {
	counts, kept := map[rollout.State]int{}, map[string]int{}
	for i := range pods {
		status, why := rollout.PodStatus(&pods[i]), rollout.Kept(&pods[i])
		if status.State == rollout.Waiting && why != "" {
			kept[why]++
			continue
		}
		counts[status.State]++
	}
	line := fmt.Sprintf("%d: %d ready or done, %d on their way", len(pods), counts[rollout.Available], counts[rollout.Waiting])
	for _, why := range slices.Sorted(maps.Keys(kept)) {
		line += fmt.Sprintf(", %d %s", kept[why], why)
	}
	return line + fmt.Sprintf(", %d failed", counts[rollout.Failed])
}
