package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/cmd/apply"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"minik.dev/cmd/minik/manifests"
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
// returns the objects as the server answered them, and what was refused: where it stands, and why. One object that is refused
// does not keep the others from being applied.
func applyManifests(config *rest.Config, paths []string, streams genericiooptions.IOStreams,
	cacheDir string) (objects []*resource.Info, refused []string, err error) {
	applyFlags := apply.NewApplyFlags(streams)
	cmd := &cobra.Command{Use: "apply"}
	applyFlags.AddFlags(cmd)
	(&cobra.Command{Use: "kubectl"}).AddCommand(cmd) // the journal shows "kubectl apply"
	args := []string{"--validate=strict"}
	for _, path := range paths {
		args = append(args, "--filename="+path)
	}
	if err := cmd.ParseFlags(args); err != nil {
		return nil, nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}

	factory := cmdutil.NewFactory(connected(config, cmd, cacheDir))
	options, err := applyFlags.ToOptions(factory, cmd, "kubectl", nil)
	if err != nil {
		return nil, nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}
	if err := options.Validate(); err != nil {
		return nil, nil, fmt.Errorf("applying %s: %w", strings.Join(paths, ", "), err)
	}
	refused = refusals(options.Run())
	objects, err = options.GetObjects()
	if err != nil && len(refused) == 0 {
		refused = refusals(err)
	}
	return objects, refused, nil
}

// refusals are the mistakes in kubectl's words, each with its place in front where that is known.
func refusals(err error) []string {
	if err == nil {
		return nil
	}
	var many interface{ Errors() []error }
	if !errors.As(err, &many) {
		place, message := placeOf(err), kubectlMessage(err)
		if place != "" {
			message = source.ReplaceAllString(message, "") // it is said already
		}
		return []string{place + message}
	}
	var lines []string
	for _, one := range many.Errors() {
		lines = append(lines, refusals(one)...)
	}
	return lines
}

// What the messages of kubectl and the API server name.
var (
	quoted       = regexp.MustCompile(`"([^"\n]+)"`)
	source       = regexp.MustCompile(`error when \w+ing "[^"\n]+": `)
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	kindInError  = regexp.MustCompile(`cannot be handled as an? (\w+)|no matches for kind "(\w+)"`)
)

// placeOf is where the mistake stands, "web.yaml:12: "; "" where that is not known, as of standard input.
func placeOf(err error) string {
	message := err.Error()
	file := ""
	for _, name := range quoted.FindAllStringSubmatch(message, -1) {
		if info, statErr := os.Stat(name[1]); file == "" && statErr == nil && info.Mode().IsRegular() {
			file = name[1]
		}
	}
	if file == "" {
		return ""
	}
	var kind, name string
	var fields []string
	if found := kindInError.FindStringSubmatch(message); found != nil {
		kind = cmp.Or(found[1], found[2])
	}
	for _, field := range unknownField.FindAllStringSubmatch(message, -1) {
		fields = append(fields, field[1])
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		details := status.Status().Details
		kind, name = cmp.Or(details.Kind, kind), details.Name
		for _, cause := range details.Causes {
			fields = append(fields, cause.Field)
		}
	}
	if line := manifests.Line(file, kind, name, fields); line > 0 {
		return fmt.Sprintf("%s:%d: ", file, line)
	}
	return file + ": "
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
