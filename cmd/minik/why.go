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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"minik.dev/cluster"
	"minik.dev/history"
	"minik.dev/journal"
)

// why is what was asked.
type why struct {
	word            string // of the moment, as it was typed
	at              int64  // its revision; 0 is now
	file            string
	output          string
	all             bool
	schedulerConfig string
}

func newWhy(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	w := &why{}
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
			case len(args) > 1:
				return usagef(cmd, "%q is one argument too many", args[1])
			case len(args) == 0 && w.file == "":
				return usagef(cmd, "KIND/NAME is missing, as pod/web-x; or -f with a file")
			case len(args) == 1 && w.file != "":
				return usagef(cmd, "-f asks about a pod that does not exist, and %q about one that does: only one can be answered", args[0])
			case w.file != "" && w.word != "":
				return usagef(cmd, "--at and -f: what if is asked of now")
			case w.output != "" && w.output != "json":
				return usagef(cmd, "-o %s: json is what there is", w.output)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := restConfig(cmd, home)
			if err != nil {
				return err
			}
			config = journal.Config(config, "minik")
			config.QPS = -1
			namespace, err := namespaceOf(cmd, kubeconfigPath(cmd, home))
			if err != nil {
				return err
			}
			if w.file != "" {
				return w.whatIf(cmd.Context(), streams, config, namespace)
			}
			if w.word != "" {
				m, err := history.ParseMoment(w.word, time.Now())
				if err != nil {
					return usagef(cmd, "--at: %v", err)
				}
				if w.at, err = history.FindRevision(cmd.Context(), config, m); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
			}
			return w.answer(cmd, streams.Out, config, namespace, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.word, "at", "", "Moment that is asked of: "+history.MomentForms)
	flags.StringVarP(&w.file, "filename", "f", "", "File with a pod that does not exist, or - for standard input")
	flags.StringVarP(&w.output, "output", "o", "", "json for programs")
	flags.BoolVar(&w.all, "all", false, "Show every node, and everything that each filter says")
	flags.StringVar(&w.schedulerConfig, "scheduler-config", "", "The file that the cluster's scheduler was given, if it was")
	return cmd
}

// namespaceOf is that of --namespace, or of the kubeconfig.
func namespaceOf(cmd *cobra.Command, kubeconfig string) (string, error) {
	if flag := cmd.Flags().Lookup("namespace"); flag != nil && flag.Changed {
		return flag.Value.String(), nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	namespace, _, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).Namespace()
	if err != nil {
		return "", fmt.Errorf("reading kubeconfig %s: %w", kubeconfig, err)
	}
	return namespace, nil
}

// answer says what is made of an object that there is.
func (w *why) answer(cmd *cobra.Command, out io.Writer, config *rest.Config, namespace, word string) error {
	kind, name, err := kindAndName(cmd, word)
	if err != nil {
		return err
	}
	mapping, err := mappingOf(config, kind)
	if err != nil {
		return err
	}
	resource := mapping.Resource.GroupResource()
	if resource == corev1.Resource("pods") {
		a, err := cluster.WhyPod(cmd.Context(), config, namespace, name, w.at, w.schedulerConfig)
		if err != nil {
			return whyError(word, w.at, err)
		}
		return w.show(out, a, func() { printPod(out, a, w.all) })
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		namespace = ""
	}
	object, err := objectThen(cmd.Context(), config, mapping.Resource, namespace, name, w.at)
	if err != nil {
		return whyError(word, w.at, err)
	}
	moment := cluster.Moment{Revision: w.at, Time: time.Now()} //nolint:forbidigo // main's own: the moment of the question
	if w.at > 0 {
		if moment.Time, err = history.TimeOf(cmd.Context(), config, w.at); err != nil {
			return err
		}
	}
	opinions, err := cluster.Why(cmd.Context(), config, resource, namespace, name, moment)
	if err != nil {
		return whyError(word, w.at, err)
	}
	return w.show(out, opinions, func() { printOpinions(out, object, opinions) })
}

// whyError words what the API says of a moment.
func whyError(word string, at int64, err error) error {
	if at > 0 && apierrors.IsNotFound(err) {
		return fmt.Errorf("%s: there was none at revision %d", word, at)
	}
	return err
}

// mappingOf finds the kind in kubectl's words: deploy, pods, deployments.apps.
func mappingOf(config *rest.Config, kind string) (*meta.RESTMapping, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	cached := memory.NewMemCacheClient(disco)
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
	_, named := schema.ParseResourceArg(kind)
	resource, err := mapper.ResourceFor(named.WithVersion(""))
	if err != nil {
		return nil, fmt.Errorf("looking for kind %q: %w", kind, err)
	}
	found, err := mapper.KindFor(resource)
	if err != nil {
		return nil, fmt.Errorf("looking for kind %q: %w", kind, err)
	}
	return mapper.RESTMapping(found.GroupKind(), found.Version)
}

// objectThen reads an object, as it is or was.
func objectThen(ctx context.Context, config *rest.Config, resource schema.GroupVersionResource, namespace, name string,
	at int64) (*unstructured.Unstructured, error) {
	client, err := dynamic.NewForConfig(history.At(config, at))
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	return client.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}

// whatIf says what the scheduler would make of a pod that there is not.
func (w *why) whatIf(ctx context.Context, streams genericiooptions.IOStreams, config *rest.Config, namespace string) error {
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
	a, err := cluster.WhatIf(ctx, config, &pod, w.schedulerConfig)
	if err != nil {
		return err
	}
	return w.show(streams.Out, a, func() { printPod(streams.Out, a, w.all) })
}

func readFile(path string, in io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(path)
}

// show prints an answer for programs, or for people.
func (w *why) show(out io.Writer, answer any, print func()) error {
	if w.output == "" {
		print()
		return nil
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the answer as JSON: %w", err)
	}
	_, _ = fmt.Fprintf(out, "%s\n", text)
	return nil
}
