package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"minik.dev/api"
	"minik.dev/journal"
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
		Args:        atMost(1, "KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef(cmd, "--limit %d is negative; 0 lists all", limit)
			}
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			word := strings.Join(args, "")
			return showHistory(cmd, streams.Out, read, word, limit)
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
			return atMost(3, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			read, err := newReader(cmd, home, flags)
			if err != nil {
				return err
			}
			return showDiff(cmd, streams.Out, read, args)
		},
	})
	return cmd
}

// atMost is the argument check of a verb whose arguments may be left out.
func atMost(n int, _ string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef(cmd, "%q is one argument too many", args[n])
		}
		return nil
	}
}

// showHistory lists the newest revisions, of one object or of all.
func showHistory(cmd *cobra.Command, out io.Writer, read *reader, word string, limit int) error {
	var lines []historyLine
	list := func(revision api.Revision) bool {
		lines = append(lines, historyLine{Revision: revision})
		return limit == 0 || len(lines) < limit
	}
	var err error
	if word == "" {
		err = read.revisions(cmd.Context(), nil, limit, list)
	} else {
		object, objectErr := read.object(cmd, word)
		if objectErr != nil {
			return objectErr
		}
		if err = read.revisions(cmd.Context(), about(object), limit, list); err == nil && len(lines) == 0 {
			return unknownObject(object)
		}
	}
	if err != nil {
		return err
	}
	if err := fillChanges(cmd.Context(), read, lines); err != nil {
		return err
	}
	_, err = io.WriteString(out, renderHistory(lines, word == "", time.Now()))
	return err
}

// asked is how many questions are on their way at the same time.
const asked = 8

// fillChanges finds out what each revision changed.
func fillChanges(ctx context.Context, read *reader, lines []historyLine) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i := range lines {
		line := &lines[i]
		group.Go(func() error {
			n, err := number(line.Revision.ObjectMeta.Name)
			if err != nil {
				return err
			}
			object := journal.ObjectOf(&line.Revision)
			after, err := read.state(ctx, object, n)
			if err == nil {
				var before map[string]any
				before, err = read.state(ctx, object, n-1)
				line.Change = changeOf(before, after, err == nil)
				if line.Revision.Verb == journal.RestoreVerb {
					line.Change = "the whole store"
				}
			}
			if apierrors.IsResourceExpired(err) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// showDiff shows what differs between two revisions.
func showDiff(cmd *cobra.Command, out io.Writer, read *reader, args []string) error {
	from, err := number(args[0])
	if err != nil {
		return usagef(cmd, "%v", err)
	}
	to, err := number(args[1])
	if err != nil {
		return usagef(cmd, "%v", err)
	}
	for _, revision := range []int64{from, to} {
		if err := read.kept(cmd.Context(), revision); err != nil {
			return err
		}
	}
	var objects []journal.Object
	if len(args) == 3 {
		object, err := read.object(cmd, args[2])
		if err != nil {
			return err
		}
		objects = append(objects, object)
	} else if objects, err = read.written(cmd.Context(), min(from, to), max(from, to)); err != nil {
		return err
	}
	for _, object := range objects {
		text, err := diffOf(cmd.Context(), read, object, from, to)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

// written are the objects that were written after one revision and up to another, in the order of their first write.
func (r *reader) written(ctx context.Context, after, upTo int64) ([]journal.Object, error) {
	var newestFirst []journal.Object
	err := r.revisions(ctx, nil, 0, func(revision api.Revision) bool {
		n, err := number(revision.ObjectMeta.Name)
		if err != nil || n <= after {
			return false
		}
		if n <= upTo {
			newestFirst = append(newestFirst, journal.ObjectOf(&revision))
		}
		return true
	})
	seen := map[journal.Object]bool{}
	var objects []journal.Object
	for i := len(newestFirst) - 1; i >= 0; i-- {
		if o := newestFirst[i]; !seen[o] {
			seen[o] = true
			objects = append(objects, o)
		}
	}
	return objects, err
}

// diffOf is a unified diff of the object's YAML at two revisions; "" where nothing differs.
func diffOf(ctx context.Context, read *reader, object journal.Object, from, to int64) (string, error) {
	var texts [2][]byte
	for i, revision := range []int64{from, to} {
		state, err := read.state(ctx, object, revision)
		if err != nil {
			return "", err
		}
		if texts[i], err = diffable(state); err != nil {
			return "", err
		}
	}
	name := object.Resource + "/" + object.Name
	if object.Namespace != "" {
		name = object.Namespace + "/" + name
	}
	text := diff.Diff(fmt.Sprintf("%s at %d", name, from), texts[0], fmt.Sprintf("%s at %d", name, to), texts[1])
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[i+1:] // the line "diff …" says nothing that the next two do not
	}
	return string(text), nil
}

// diffable is the object as YAML without managedFields, which kubectl does not show either; nothing where it was not there.
func diffable(state map[string]any) ([]byte, error) {
	if state == nil {
		return nil, nil
	}
	if metadata, ok := state["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
	return yaml.Marshal(state)
}
