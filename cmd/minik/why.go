package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"minik.dev/cluster"
	"minik.dev/history"
	"minik.dev/journal"
	"minik.dev/terminal"
	"minik.dev/why"
)

// whyFlags are what was asked.
type whyFlags struct {
	word            string // of the moment, as it was typed
	file            string
	output          string
	all             bool
	schedulerConfig string
}

func newWhy(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	w := &whyFlags{}
	cmd := &cobra.Command{
		Use:   "why KIND/NAME | -f POD.YAML",
		Short: "Say what the scheduler or a controller makes of an object, and why",
		Long: "Say what the scheduler or a controller makes of an object, and why, by asking the same functions that decide.\n\n" +
			"Of a pod, it is the scheduler's decision: node by node, filter by filter, score by score. That of a bound pod is\n" +
			"made again on the state that it was made on. With -f it is that of a pod that does not exist; nothing is written.\n" +
			"Of a Deployment, ReplicaSet, Node, Namespace, Service and some others it is what their controllers would write.",
		Example: "  minik why pod/web-697c665f84-b8j7x\n  minik why -f pod.yaml\n  minik why deployment/web --at 1234\n" +
			"  minik why deployment/web --at=-10m",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && w.file == "":
				return usagef(cmd, "KIND/NAME is missing, as pod/web-x; or -f with a file")
			case len(args) > 0 && w.file != "":
				return usagef(cmd, "-f asks about a pod that does not exist, and %q about one that does: only one can be answered", args[0])
			case w.file != "" && w.word != "":
				return usagef(cmd, "--at and -f exclude each other: a pod that does not exist is tried on the cluster as it is now")
			case w.output != "" && w.output != "json":
				return usagef(cmd, "-o %s: json is what there is", w.output)
			}
			return oneObject(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := restConfig(cmd, home)
			if err != nil {
				return err
			}
			if w.schedulerConfig == "" && kubeconfigPath(cmd, home) == home.kubeconfig() {
				state, err := cluster.Status(home.dataDir)
				if err != nil {
					return err
				}
				w.schedulerConfig = state.SchedulerConfig
			}
			config = journal.Config(config, "minik")
			config.QPS = -1
			namespace, err := namespaceOf(cmd, home, kubeconfigPath(cmd, home))
			if err != nil {
				return err
			}
			if w.file != "" {
				return w.whatIf(cmd.Context(), streams, config, namespace)
			}
			kind, name, err := kindAndName(cmd, args)
			if err != nil {
				return err
			}
			var revision int64
			if w.word != "" {
				m, err := history.ParseMoment(w.word, time.Now())
				if err != nil {
					return usagef(cmd, "--at: %v", err)
				}
				if revision, err = history.FindRevision(cmd.Context(), config, m); err != nil {
					return fmt.Errorf("%s/%s: %w", kind, name, err)
				}
			}
			a, err := why.Ask(cmd.Context(), config, why.Question{Kind: kind, Namespace: namespace, Name: name, Revision: revision,
				Now: time.Now(), SchedulerConfig: w.schedulerConfig})
			if err != nil {
				return err
			}
			return w.show(streams.Out, a)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.word, "at", "", "Moment to ask about: "+history.MomentForms)
	flags.StringVarP(&w.file, "filename", "f", "", "File with a pod that does not exist, or - for standard input")
	flags.StringVarP(&w.output, "output", "o", "", "json for programs")
	flags.BoolVar(&w.all, "all", false, "Show every node, and everything that each filter says")
	flags.StringVar(&w.schedulerConfig, "scheduler-config", "", "Another file for the scheduler than the one that the cluster's own was given")
	return cmd
}

// namespaceOf is that of --namespace, or of the kubeconfig.
func namespaceOf(cmd *cobra.Command, home *home, kubeconfig string) (string, error) {
	if flag := cmd.Flags().Lookup("namespace"); flag != nil && flag.Changed {
		return flag.Value.String(), nil
	}
	namespace, _, err := cluster.ClientConfig(kubeconfig, home.dataDir).Namespace()
	if err != nil {
		return "", fmt.Errorf("reading kubeconfig %s: %w", kubeconfig, err)
	}
	return namespace, nil
}

// whatIf says what the scheduler would make of a pod that there is not.
func (w *whyFlags) whatIf(ctx context.Context, streams genericiooptions.IOStreams, config *rest.Config, namespace string) error {
	text, err := readFile(w.file, streams.In)
	if err != nil {
		return fmt.Errorf("reading -f %s: %w", w.file, err)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(text, &pod); err != nil {
		return fmt.Errorf("reading -f %s: it must hold one pod: %w", w.file, err)
	}
	if pod.Kind != "Pod" || pod.APIVersion != "v1" {
		return fmt.Errorf("reading -f %s: it holds a %s %s, and must hold a v1 Pod", w.file, pod.APIVersion, pod.Kind)
	}
	if pod.Namespace == "" {
		pod.Namespace = namespace
	}
	a, err := why.WhatIf(ctx, config, &pod, w.schedulerConfig)
	if err != nil {
		return err
	}
	return w.show(streams.Out, a)
}

func readFile(path string, in io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}

// show prints an answer for programs, or for people.
func (w *whyFlags) show(out io.Writer, answer why.Answer) error {
	width := terminal.Width(out)
	text := answer.Text(w.all, width)
	out = terminal.Wrapped(out)
	if w.output != "" {
		asJSON, err := json.MarshalIndent(answer, "", "  ")
		if err != nil {
			return fmt.Errorf("writing the answer as JSON: %w", err)
		}
		text = string(asJSON) + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}
