package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/get"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/util/completion"

	"minik.dev/cluster"
	"minik.dev/terminal"
)

// newKubectl is kubectl's root command with all of its commands, bound to the cluster of the data directory. Plugins and
// the kuberc file are off: what `minik get` does must not depend on what else the machine has.
func newKubectl(streams genericiooptions.IOStreams, home *home, past *past) (*cobra.Command, *genericclioptions.ConfigFlags) {
	mustSetenv("KUBECTL_KUBERC", "false")
	flags := genericclioptions.NewConfigFlags(true).
		WithDeprecatedPasswordFlag().
		WithDiscoveryBurst(300).
		WithDiscoveryQPS(50).
		WithWarningPrinter(streams).
		WithWrapConfigFn(func(config *rest.Config) *rest.Config { return past.open(asKubectl(config)) })
	root := kubectl.NewKubectlCommand(kubectl.KubectlOptions{ConfigFlags: flags, IOStreams: streams})
	if plugin, _, err := root.Find([]string{"plugin"}); err == nil {
		root.RemoveCommand(plugin)
	}

	kubectlPreRun := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		logs.InitLogs()
		if err := home.resolve(); err != nil {
			return err
		}
		bind(cmd, flags, home, past)
		if err := reachable(cmd, home); err != nil {
			return err
		}
		if err := past.resolve(cmd, flags, streams.ErrOut); err != nil {
			return err
		}
		if cmd.Name() == cobra.ShellCompRequestCmd {
			return nil // kubectl would look for plugins
		}
		return kubectlPreRun(cmd, args)
	}
	return root, flags
}

// bind points kubectl's commands at the data directory. $KUBECONFIG is set rather than a flag because `config` reads it
// too, and so does every program that kubectl starts.
func bind(cmd *cobra.Command, flags *genericclioptions.ConfigFlags, home *home, past *past) {
	mustSetenv("KUBECONFIG", home.kubeconfig())
	if !cmd.Flags().Changed("kubeconfig") && !cmd.Flags().Changed("context") && asksCluster(cmd) {
		*flags.Context = cluster.OwnContext(home.dataDir)
	}
	if !cmd.Flags().Changed("cache-dir") {
		*flags.CacheDir = past.cacheDir(home)
	}
}

// mustSetenv sets a variable of this process. It fails only for a name that is none.
func mustSetenv(name, value string) {
	if err := os.Setenv(name, value); err != nil {
		panic(err)
	}
}

// asKubectl makes the requests of kubectl's commands say that kubectl's code made them: so the journal names one actor,
// whether `minik apply` or the machine's own kubectl was typed.
func asKubectl(config *rest.Config) *rest.Config {
	config.UserAgent = fmt.Sprintf("kubectl/minik (%s/%s)", runtime.GOOS, runtime.GOARCH)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return commandHeader{next} })
	return config
}

// commandHeader turns the Kubectl-Command "minik apply", which kubectl takes from the root command's name, into
// "kubectl apply".
type commandHeader struct{ next http.RoundTripper }

const kubectlCommandHeader = "Kubectl-Command"

func (t commandHeader) RoundTrip(req *http.Request) (*http.Response, error) {
	if command, ok := strings.CutPrefix(req.Header.Get(kubectlCommandHeader), "minik "); ok {
		req = req.Clone(req.Context())
		req.Header.Set(kubectlCommandHeader, "kubectl "+command)
	}
	return t.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go find the transport beneath, as exec and port-forward need.
func (t commandHeader) WrappedRoundTripper() http.RoundTripper { return t.next }

// offline are the commands that work without a cluster.
var offline = map[string]bool{
	"completion": true, "config": true, "help": true, "kustomize": true, "options": true,
	cobra.ShellCompRequestCmd: true, cobra.ShellCompNoDescRequestCmd: true,
}

// needsCluster reports whether a command of kubectl's has nothing to do without an API server.
func needsCluster(cmd *cobra.Command) bool {
	if !cmd.HasParent() || !cmd.Runnable() {
		return false
	}
	for _, flag := range []string{"server", "kubeconfig"} {
		if cmd.Flags().Changed(flag) {
			return false // another cluster is meant: kubectl's own words are the right ones
		}
	}
	for name, value := range map[string]string{"dry-run": "client", "local": "true", "client": "true"} {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Value.String() == value {
			return false
		}
	}
	return asksCluster(cmd)
}

// asksCluster reports whether a command is one of kubectl's that are about a cluster.
func asksCluster(cmd *cobra.Command) bool {
	for ; cmd.HasParent(); cmd = cmd.Parent() {
		if _, own := cmd.Annotations[ownVerb]; own || offline[cmd.Name()] {
			return false
		}
	}
	return true
}

// reachable says that no cluster is running before kubectl does, whose words would be about hosts and ports.
func reachable(cmd *cobra.Command, home *home) error {
	if !needsCluster(cmd) {
		return nil
	}
	return running(home)
}

// running says whether something listens where the data directory's cluster should.
func running(home *home) error {
	config, err := cluster.ClientConfig(home.kubeconfig(), home.dataDir).ClientConfig()
	if os.IsNotExist(err) {
		return notRunning(home)
	}
	if err != nil {
		return nil // kubectl says what is wrong with the file
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil
	}
	connection, err := net.DialTimeout("tcp", server.Host, time.Second)
	if err != nil {
		return notRunning(home)
	}
	return connection.Close()
}

// notRunningError is the one sentence for a command that found no cluster, whoever's command it is.
type notRunningError struct{ dataDir, start string }

func (e notRunningError) Error() string {
	return fmt.Sprintf("no cluster is running for data dir %s: start one with `%s`", e.dataDir, e.start)
}

func notRunning(home *home) error {
	return notRunningError{dataDir: home.dataDir, start: "minik up" + home.flag()}
}

// restConfig is the connection of minik's own verbs: the data directory's cluster, or that of --kubeconfig.
func restConfig(cmd *cobra.Command, home *home) (*rest.Config, error) {
	path := kubeconfigPath(cmd, home)
	config, err := cluster.ClientConfig(path, home.dataDir).ClientConfig()
	if os.IsNotExist(err) && path == home.kubeconfig() {
		return nil, notRunning(home)
	}
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	if path == home.kubeconfig() {
		if err := running(home); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// kubeconfigPath is --kubeconfig, or the data directory's own.
func kubeconfigPath(cmd *cobra.Command, home *home) string {
	if flag := cmd.Flags().Lookup("kubeconfig"); flag != nil && flag.Changed {
		return flag.Value.String()
	}
	return home.kubeconfig()
}

// fitRevisions makes `minik get revisions` know how wide the terminal is: reasons are sentences, and longer than any other cell. It
// is kubectl's own command that runs, with a writer that may cut lines.
func fitRevisions(root *cobra.Command, flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) {
	old, _, err := root.Find([]string{"get"})
	if err != nil {
		return
	}
	out := &switched{streams.Out}
	factory := cmdutil.NewFactory(flags)
	fitted := get.NewCmdGet(root.Name(), factory, genericiooptions.IOStreams{In: streams.In, Out: out, ErrOut: streams.ErrOut})
	fitted.ValidArgsFunction = completion.ResourceTypeAndNameCompletionFunc(factory)
	fitted.PreRun = func(cmd *cobra.Command, args []string) {
		output, err := cmd.Flags().GetString("output")
		if err == nil && output == "" && len(args) > 0 && isRevisions(args[0]) {
			out.Writer = terminal.Columns(streams.Out)
		}
	}
	root.RemoveCommand(old)
	root.AddCommand(fitted)
}

// switched is a writer that turns into another one.
type switched struct{ io.Writer }

// isRevisions says that the argument names revisions, or one of them.
func isRevisions(arg string) bool {
	kind, _, _ := strings.Cut(arg, "/")
	kind, _, _ = strings.Cut(kind, ".")
	return kind == "revisions" || kind == "revision"
}
