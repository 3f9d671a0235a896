package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"minik.dev/history"
)

// past is the moment that kubectl's commands are pointed at: `minik at 14:05 get pods` is `minik get pods` with the path of
// a revision in the server's address. The zero value is the present.
type past struct {
	word     string // as it was typed; "" is the present
	revision int64  // 0 until it is resolved
}

// pastError is a moment that can't be opened; it is told in minik's words, whoever's command it stood before.
type pastError struct{ error }

func (e pastError) Unwrap() error { return e.error }

// newAt is the help of `at`, and says what is missing: run takes `at MOMENT` out of every command line that is complete.
func newAt() *cobra.Command {
	return &cobra.Command{
		Use:   "at REV|TIME|-DURATION VERB …",
		Short: "Run a command of kubectl's on the cluster as it was in the past",
		Example: "  minik at 1234 get pods -A           # revision 1234, as minik history lists them\n" +
			"  minik at -10m get pods              # ten minutes ago\n" +
			"  minik at 14:05 describe pod web-x   # today; 2006-01-02T14:05:00 on another day\n" +
			"  minik at -1m get pods -w            # and everything that has happened since",
		DisableFlagParsing: true, // -10m is no flag
		RunE: func(cmd *cobra.Command, args []string) error {
			var words []string
			for _, arg := range args {
				if arg == "-h" || arg == "--help" {
					return cmd.Help()
				}
				words = append(words, arg)
			}
			if len(words) == 0 {
				return usagef(cmd, "the moment is missing: %s", history.MomentForms)
			}
			return usagef(cmd, "what to do there is missing: one of kubectl's verbs, as in 'minik at %s get pods'", words[len(words)-1])
		},
	}
}

// cutMoment takes `at MOMENT` out of a command line that has a verb behind it. The flags are those that may stand before
// a verb.
func cutMoment(flags *pflag.FlagSet, args []string) (rest []string, word string) {
	i := firstWord(flags, args)
	if i == len(args) || args[i] != "at" || i+1 >= len(args) {
		return args, ""
	}
	behind := args[i+2:]
	if args[i+1] == "-h" || args[i+1] == "--help" || firstWord(flags, behind) == len(behind) {
		return args, ""
	}
	return append(append([]string(nil), args[:i]...), behind...), args[i+1]
}

// firstWord is where the first argument stands that is neither a flag nor a flag's value.
func firstWord(flags *pflag.FlagSet, args []string) int {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			return i
		}
		if strings.Contains(arg, "=") {
			continue
		}
		var flag *pflag.Flag
		if name, long := strings.CutPrefix(arg, "--"); long {
			flag = flags.Lookup(name)
		} else if len(arg) == 2 {
			flag = flags.ShorthandLookup(arg[1:])
		}
		if flag != nil && flag.NoOptDefVal == "" {
			i++ // its value
		}
	}
	return len(args)
}

// cacheDir is where kubectl keeps what it learns of the server. Each revision is a server of its own to it, so what it
// learnt of the past is forgotten with the next question.
func (p *past) cacheDir(home *home) string {
	if p.word == "" {
		return home.cacheDir()
	}
	dir := filepath.Join(home.cacheDir(), "at")
	_ = os.RemoveAll(dir) // what stays is only larger
	return dir
}

// open points a client at the past.
func (p *past) open(config *rest.Config) *rest.Config {
	return history.At(config, p.revision)
}

// resolve finds the revision of the moment. For a time it says which one that is.
func (p *past) resolve(cmd *cobra.Command, flags *genericclioptions.ConfigFlags, out io.Writer) error {
	if p.word == "" {
		return nil
	}
	if !asksCluster(cmd) {
		return usageError{message: fmt.Sprintf("at %s: '%s' asks nothing of the cluster's past; the commands that do are kubectl's "+
			"own, as get and describe", p.word, cmd.CommandPath()), command: "minik at"}
	}
	now := time.Now()
	m, err := history.ParseMoment(p.word, now)
	if err != nil {
		return usageError{message: err.Error(), command: "minik at"}
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return err
	}
	if p.revision, err = history.FindRevision(cmd.Context(), config, m); err != nil {
		return pastError{err}
	}
	if m.Revision == 0 {
		_, _ = fmt.Fprintf(out, "at revision %d, %s (%s ago)\n", p.revision, m.Time.Format("15:04:05"),
			now.Sub(m.Time).Round(time.Second))
	}
	return nil
}
