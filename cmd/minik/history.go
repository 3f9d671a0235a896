package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/history"
	"minik.dev/journal"
	"minik.dev/terminal"
)

// historyLimit is how many revisions are listed where --limit does not say otherwise.
const historyLimit = 30

func newHistory(streams genericiooptions.IOStreams, home *home, flags *genericclioptions.ConfigFlags) *cobra.Command {
	limit := historyLimit
	cmd := &cobra.Command{
		Use:   "history [KIND/NAME]",
		Short: "List what was written: when, by whom, what changed, and why",
		Example: "  minik history                         # the newest revisions\n" +
			"  minik history deployment/web          # those of one object, also of one that is gone\n" +
			"  minik history diff 120 140            # all that changed between two revisions\n" +
			"  minik history diff 120 140 pod/web-x  # what changed of one object\n" +
			"  minik at 120 get deployment/web       # the object as it was",
		Annotations: map[string]string{takesFlags: namespaceFlag},
		Args:        func(cmd *cobra.Command, args []string) error { return oneObject(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef(cmd, "--limit %d is negative; 0 lists all", limit)
			}
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			object, err := read.object(cmd, args)
			if err != nil {
				return err
			}
			lines, err := read.Lines(cmd.Context(), object, limit)
			if err != nil {
				return err
			}
			_, err = io.WriteString(streams.Out, history.Text(lines, object == nil, time.Now(), terminal.Width(streams.Out)))
			return err
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "How many revisions are listed, the newest ones; 0 lists all that are kept")
	cmd.AddCommand(&cobra.Command{
		Use:         "diff REV1 REV2 [KIND/NAME]",
		Short:       "Show in full what is different between two revisions",
		Annotations: map[string]string{takesFlags: namespaceFlag},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef(cmd, "%s is missing", []string{"REV1", "REV2"}[len(args)])
			}
			return oneObject(cmd, args[2:])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			from, err := history.ParseRevision(args[0])
			if err != nil {
				return usagef(cmd, "%v", err)
			}
			to, err := history.ParseRevision(args[1])
			if err != nil {
				return usagef(cmd, "%v", err)
			}
			object, err := read.object(cmd, args[2:])
			if err != nil {
				return err
			}
			text, err := read.Diff(cmd.Context(), from, to, object)
			if err != nil {
				return err
			}
			_, err = io.WriteString(streams.Out, text)
			return err
		},
	})
	return cmd
}

// oneObject is the argument check of what may name an object: KIND/NAME or KIND NAME, as kubectl takes them.
func oneObject(cmd *cobra.Command, args []string) error {
	most := 2
	if len(args) > 0 && strings.Contains(args[0], "/") {
		most = 1
	}
	if len(args) > most {
		return usagef(cmd, "%q is one argument too many", args[most])
	}
	return nil
}

// namespaceFlag is the one of kubectl's global flags that the verbs about one object take.
const namespaceFlag = "namespace"

// reader reads the past for minik's own verbs.
type reader struct {
	*history.Reader
	namespace string // that is meant where none is named
}

// newReader connects to the cluster of the data directory, or to that of --kubeconfig.
func newReader(cmd *cobra.Command, home *home, flags *genericclioptions.ConfigFlags) (*reader, error) {
	if !cmd.Flags().Changed("kubeconfig") {
		if err := running(home); err != nil {
			return nil, err
		}
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	mapper, err := flags.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	r, err := history.NewReader(config, mapper)
	if err != nil {
		return nil, err
	}
	return &reader{Reader: r, namespace: namespace}, nil
}

// object is the one that the arguments name; nil where there are none.
func (r *reader) object(cmd *cobra.Command, args []string) (*journal.Object, error) {
	if len(args) == 0 {
		return nil, nil
	}
	kind, name, err := kindAndName(cmd, args)
	if err != nil {
		return nil, err
	}
	object, err := r.Object(kind, r.namespace, name)
	if err != nil {
		return nil, err
	}
	return &object, nil
}

// kindAndName reads KIND/NAME, or KIND NAME.
func kindAndName(cmd *cobra.Command, args []string) (kind, name string, err error) {
	word := strings.Join(args, "/")
	kind, name, ok := strings.Cut(word, "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
		return "", "", usagef(cmd, "%q is not KIND/NAME, as pod/web-x", word)
	}
	return kind, name, nil
}
