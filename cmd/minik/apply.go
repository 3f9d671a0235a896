package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/cmd/apply"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// checkManifests reads the manifests without a cluster, so that a file that is missing, empty or no YAML is an error
// before anything is started. Standard input and URLs can be read only once: those are left to applyManifests.
func checkManifests(paths []string) error {
	for _, path := range paths {
		if path == "-" || strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
			continue
		}
		infos, err := resource.NewLocalBuilder().
			Unstructured().
			ContinueOnError().
			FilenameParam(false, &resource.FilenameOptions{Filenames: []string{path}}).
			Flatten().
			Do().
			Infos()
		if err != nil {
			return fmt.Errorf("reading -f %s: %w", path, err)
		}
		if len(infos) == 0 {
			return fmt.Errorf("reading -f %s: there is no object in it", path)
		}
	}
	return nil
}

// applyManifests is `kubectl apply -f PATH…` on a cluster, with unknown fields refused, as kubectl's own code does it. It
// returns the objects as the server answered them. Several mistakes in several objects are one error with a line each.
func applyManifests(config *rest.Config, paths []string, streams genericiooptions.IOStreams,
	cacheDir string) ([]*resource.Info, error) {
	applyFlags := apply.NewApplyFlags(streams)
	cmd := &cobra.Command{Use: "apply"}
	applyFlags.AddFlags(cmd)
	(&cobra.Command{Use: "kubectl"}).AddCommand(cmd) // the journal shows "kubectl apply"
	args := []string{"--validate=strict"}
	for _, path := range paths {
		args = append(args, "--filename="+path)
	}
	if err := cmd.ParseFlags(args); err != nil {
		return nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}

	factory := cmdutil.NewFactory(connected(config, cmd, cacheDir))
	options, err := applyFlags.ToOptions(factory, cmd, "kubectl", nil)
	if err != nil {
		return nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}
	if err := options.Validate(); err != nil {
		return nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}
	if err := options.Run(); err != nil {
		return nil, fmt.Errorf("applying %s: %s", strings.Join(paths, ", "), kubectlMessage(err))
	}
	return options.GetObjects()
}

// connected makes kubectl's code use a connection that is already there, in place of one that a kubeconfig describes.
func connected(config *rest.Config, cmd *cobra.Command, cacheDir string) *genericclioptions.ConfigFlags {
	headers := &genericclioptions.CommandHeaderRoundTripper{}
	headers.ParseCommandHeaders(cmd, nil)
	flags := genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(50)
	flags.WithWrapConfigFn(func(*rest.Config) *rest.Config {
		config := asKubectl(rest.CopyConfig(config))
		// kubectl's commands speak JSON: the objects of a manifest have no Go type.
		config.ContentType, config.AcceptContentTypes = "", ""
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &genericclioptions.CommandHeaderRoundTripper{Delegate: next, Headers: headers.Headers}
		})
		return config
	})
	*flags.CacheDir = cacheDir
	return flags
}

// kubectlMessage is an error in the words in which kubectl prints it.
func kubectlMessage(err error) string {
	var many interface{ Errors() []error }
	if errors.As(err, &many) {
		var lines []string
		for _, one := range many.Errors() {
			lines = append(lines, kubectlMessage(one))
		}
		return strings.Join(lines, "\n  ")
	}
	if message, ok := cmdutil.StandardErrorMessage(err); ok {
		return message
	}
	return err.Error()
}

// applySummary counts what kubectl's apply printed, a line an object: "9 created, 2 unchanged".
func applySummary(printed string) string {
	var order []string
	counts := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(printed), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		what := fields[1]
		if counts[what]++; counts[what] == 1 {
			order = append(order, what)
		}
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	return strings.Join(parts, ", ")
}
