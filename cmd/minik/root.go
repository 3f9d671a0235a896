package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// The exit codes of minik's own verbs.
const (
	exitDone = iota
	exitFailed
	exitUsage
)

// ownVerb marks minik's own verbs among the tree's commands: their errors and exit codes are minik's, not kubectl's.
const ownVerb = "minik.dev/verb"

// usageError is a mistake in the command line; it ends with exitUsage.
type usageError struct {
	message string
	command string // whose --help says more
}

func (e usageError) Error() string {
	return fmt.Sprintf("%s\nSee '%s --help' for usage.", e.message, e.command)
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return usageError{message: fmt.Sprintf(format, args...), command: cmd.CommandPath()}
}

// run is the program without os.Exit: it returns the exit code. Only kubectl's own commands exit by themselves.
func run(args []string) int {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	root, home, past := newRoot(streams)
	defer logs.FlushLogs()

	args, past.word = cutMoment(root.PersistentFlags(), args)
	root.SetArgs(args)
	if err := knownVerb(root, args); err != nil {
		return report(streams.ErrOut, err)
	}
	cmd, err := root.ExecuteC()
	_, own := cmd.Annotations[ownVerb]
	if !own && err != nil && !errors.As(err, new(notRunningError)) && !errors.As(err, new(usageError)) &&
		!errors.As(err, new(pastError)) {
		cmdutil.CheckErr(err) // prints in kubectl's words and exits with its code
	}
	if keepErr := home.keepOwner(home.cacheDir()); err == nil {
		err = keepErr
	}
	return report(streams.ErrOut, err)
}

// report prints the error of one of minik's own verbs and returns the exit code that belongs to it.
func report(out io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	_, _ = fmt.Fprintf(out, "minik: %s\n", strings.TrimSpace(err.Error()))
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// newRoot is the whole tree: kubectl's root command with minik's name, flags and verbs.
func newRoot(streams genericiooptions.IOStreams) (*cobra.Command, *home, *past) {
	home, past := newHome(), &past{}
	setKubectlVersion()
	root, flags := newKubectl(streams, home, past)
	root.Use = "minik"
	fitRevisions(root, flags, streams)
	root.SilenceErrors = true // run prints them
	root.Version = version()
	root.SetVersionTemplate("minik {{.Version}}\n")
	root.PersistentFlags().StringVar(&home.dataDir, "data-dir", home.dataDir,
		"Directory of the cluster's data: etcd, certificates, kubeconfig, logs ($MINIK_HOME)")
	logs.AddFlags(root.PersistentFlags())
	root.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	root.InitDefaultHelpCmd()

	for _, verb := range []*cobra.Command{
		newUp(streams, home),
		newDown(streams, home),
		newStatus(streams, home),
		newReset(streams, home),
		newNode(streams, home),
		newBreak(streams, home),
		newStep(streams, home),
		newContinue(streams, home),
		newUndo(streams, home),
		newSnapshot(streams, home),
		newWhy(streams, home),
		newServe(streams, home),
		newAt(),
		newHistory(streams, home, flags),
		newTrace(streams, home, flags),
	} {
		own(verb)
		root.AddCommand(verb)
	}
	rootHelp(root)
	return root, home, past
}

// takesFlags names those of kubectl's global flags that a verb of minik's takes besides, separated by commas.
const takesFlags = "minik.dev/flags"

// own marks a verb and its subcommands as minik's, with minik's errors for wrong flags and arguments.
func own(verb *cobra.Command) {
	if verb.Annotations == nil {
		verb.Annotations = map[string]string{}
	}
	verb.Annotations[ownVerb] = ""
	verb.SilenceErrors, verb.SilenceUsage = true, true
	verb.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%v", err) })
	verb.PreRunE = func(cmd *cobra.Command, _ []string) error {
		quiet(cmd)
		return noKubectlFlags(cmd)
	}
	for _, sub := range verb.Commands() {
		own(sub)
	}
}

// quiet keeps the log lines of the client's library, as "Failed to watch", from people who have asked for none by -v: what matters to
// them is in the verb's own error.
func quiet(cmd *cobra.Command) {
	if v := cmd.Flags().Lookup("v"); v == nil || v.Value.String() == "0" {
		klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	}
}

// knownVerb refuses a verb that neither minik nor kubectl has, before anything else is looked at.
func knownVerb(root *cobra.Command, args []string) error {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		return nil
	}
	if _, _, err := root.Find(args); err != nil {
		return usageError{message: err.Error(), command: root.Name()}
	}
	return nil
}

// noKubectlFlags refuses kubectl's global flags (--server, --namespace, …) on minik's own verbs, where they would do
// nothing.
func noKubectlFlags(cmd *cobra.Command) error {
	var refused []string
	cmd.InheritedFlags().VisitAll(func(flag *pflag.Flag) {
		switch flag.Name {
		case "data-dir", "kubeconfig", "v", "vmodule":
			return
		case "namespace":
			if cmd.Name() == "why" { // about one object, which may be in any
				return
			}
		}
		if flag.Changed && !slices.Contains(strings.Split(cmd.Annotations[takesFlags], ","), flag.Name) {
			refused = append(refused, "--"+flag.Name)
		}
	})
	if len(refused) > 0 {
		return usagef(cmd, "%s: not a flag of '%s', which only takes --data-dir and --kubeconfig from the global ones",
			strings.Join(refused, ", "), cmd.CommandPath())
	}
	return nil
}

// exactly is the argument check of a verb that takes the named arguments and nothing else.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return usagef(cmd, "%s is missing", names[len(args)])
		}
		return usagef(cmd, "%q is one argument too many", args[len(names)])
	}
}

// rootHelp gives `minik --help` one line for each of minik's verbs and the names of kubectl's.
func rootHelp(root *cobra.Command) {
	kubectlHelp := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd != root {
			kubectlHelp(cmd, args)
			return
		}
		_, _ = io.WriteString(cmd.OutOrStdout(), rootHelpText(root))
	})
	for _, verb := range root.Commands() {
		if _, own := verb.Annotations[ownVerb]; own {
			ownHelp(verb)
		}
	}
}

// ownHelp shows a verb of minik's with its own flags: kubectl's template would hide the global ones that it takes.
func ownHelp(verb *cobra.Command) {
	verb.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		text := cmd.Long
		if text == "" {
			text = cmd.Short
		}
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nUsage:\n  %s\n", text, cmd.UseLine())
		for _, sub := range cmd.Commands() {
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "  %s   %s\n", sub.UseLine(), sub.Short)
		}
		if cmd.Example != "" {
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
		}
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "\nFlags:\n%s", cmd.NonInheritedFlags().FlagUsages())
		if cmd.Annotations[takesFlags] == namespaceFlag {
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "  -n, --namespace string   the object's namespace\n")
		}
		_, _ = fmt.Fprintf(cmd.OutOrStdout(), "      --data-dir string, --kubeconfig string   which cluster is meant\n")
	})
}

func rootHelpText(root *cobra.Command) string {
	var text strings.Builder
	text.WriteString("minik is a small, honest Kubernetes in one program.\n\nThe cluster:\n")
	var theirs []string
	for _, verb := range root.Commands() {
		if _, own := verb.Annotations[ownVerb]; own {
			fmt.Fprintf(&text, "  %-8s %s\n", verb.Name(), verb.Short)
		} else if verb.IsAvailableCommand() {
			theirs = append(theirs, verb.Name())
		}
	}
	text.WriteString("\nkubectl's own commands, bound to this cluster:\n")
	line := " "
	for _, name := range theirs {
		if len(line)+1+len(name) > 100 {
			text.WriteString(line + "\n")
			line = " "
		}
		line += " " + name
	}
	text.WriteString(line + "\n")
	text.WriteString("\nThe cluster is the one of --data-dir (default ~/.minik, or $MINIK_HOME), unless --kubeconfig names another.\n" +
		"Start with 'minik up', then type 'minik get nodes' in a second terminal.\n" +
		"'minik VERB --help' says more; 'minik options' lists the flags that all of kubectl's commands take.\n")
	return text.String()
}
