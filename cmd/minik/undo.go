package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/journal"
)

func newUndo(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "undo REVISION",
		Short: "Write the object that a revision changed back to what it was before",
		Long: "Write the object that a revision changed back to what it was before it: a deleted one is created again, a created\n" +
			"one is deleted, of a changed one everything but its status becomes what it was. It goes through the ordinary API,\n" +
			"so what the API refuses stays refused, and the undoing is a revision itself. `minik get revisions` lists them.",
		Example: "  minik undo 1234\n  minik undo 1234 --yes",
		Args:    exactly("REVISION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || n <= 0 {
				return usagef(cmd, "%q is no revision: it is a number, as `minik get revisions` lists them", args[0])
			}
			config, err := restConfig(cmd, home)
			if err != nil {
				return err
			}
			return runUndo(cmd.Context(), journal.Config(config, "minik"), streams, n, yes, force)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Write it without asking")
	cmd.Flags().BoolVar(&force, "force", false, "Also where the object was changed again since, which is lost then")
	return cmd
}

func runUndo(ctx context.Context, config *rest.Config, streams genericiooptions.IOStreams, n int64, yes, force bool) error {
	// 1. What the revision changed.
	revision, err := getRevision(ctx, config, n)
	if err != nil {
		return err
	}
	objects, err := objectsOf(config, revision)
	if err != nil {
		return err
	}
	if n > 1 {
		if err := keptThen(ctx, config, n-1); err != nil {
			return fmt.Errorf("what was before revision %d: %w", n, err)
		}
	}
	// 2. The object before it, after it and now.
	var s states
	if s.Before, err = objectAt(ctx, objects, revision, n-1); err != nil {
		return err
	}
	if s.After, err = objectAt(ctx, objects, revision, n); err != nil {
		return err
	}
	s.Now, err = objects.Get(ctx, revision.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		s.Now = nil
	case err != nil:
		return fmt.Errorf("reading %s: %w", revisionObject(revision), err)
	}
	// 3. What to write, which is shown first.
	u, err := planUndo(revision, s, force)
	if err != nil {
		return err
	}
	diff, err := diffObjects(u.From, u.To)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(streams.Out, "revision %s: %s %s by %s\n%s %s:\n%s", revision.GetName(), revision.Verb,
		revisionObject(revision), actorOf(revision), u.Verb, plainObject(revision), diff)
	if !yes && !agreed(streams, fmt.Sprintf("%s %s? [y/N] ", u.Verb, plainObject(revision))) {
		return fmt.Errorf("revision %d is not undone: nothing was written", n)
	}
	// 4. An ordinary write.
	if err := carryOutUndo(journal.WithReason(ctx, u.Reason), objects, u); err != nil {
		return fmt.Errorf("undoing revision %d: %w", n, err)
	}
	_, _ = fmt.Fprintf(streams.Out, "%s\n", u.Reason)
	return nil
}

// getRevision reads a revision of the journal.
func getRevision(ctx context.Context, config *rest.Config, n int64) (*api.Revision, error) {
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	var revision api.Revision
	err = client.Get().Resource("revisions").Name(strconv.FormatInt(n, 10)).Do(ctx).Into(&revision)
	if err == nil {
		return &revision, nil
	}
	if apierrors.IsNotFound(err) || apierrors.IsResourceExpired(err) {
		if err := keptThen(ctx, config, n); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("there is no revision %d in the journal: not every number is one (Leases and Events leave none); "+
			"`minik history` lists them", n)
	}
	return nil, fmt.Errorf("reading revision %d: %w", n, err)
}

// objectsOf is a client for the kind that the revision wrote, in the version that the server prefers.
func objectsOf(config *rest.Config, r *api.Revision) (dynamic.ResourceInterface, error) {
	if r.Verb == journal.RestoreVerb {
		return nil, fmt.Errorf("revision %s restored a snapshot, which no write can undo: the data that was there before is kept in "+
			"etcd.former of the data dir", r.GetName())
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	lists, err := disco.ServerPreferredResources()
	if err != nil && len(lists) == 0 {
		return nil, fmt.Errorf("asking the API server at %s what it serves: %w", config.Host, err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil || version.Group != r.APIGroup {
			continue
		}
		for _, served := range list.APIResources {
			if served.Name != r.Resource {
				continue
			}
			objects := client.Resource(version.WithResource(r.Resource))
			if served.Namespaced {
				return objects.Namespace(r.Namespace), nil
			}
			return objects, nil
		}
	}
	return nil, fmt.Errorf("revision %s wrote %s, of a kind that is not served any more", r.GetName(), revisionObject(r))
}

// objectAt is the object as it was at a revision; nil where there was none.
func objectAt(ctx context.Context, objects dynamic.ResourceInterface, r *api.Revision, n int64) (*unstructured.Unstructured, error) {
	if n < 1 {
		return nil, nil
	}
	list, err := objects.List(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("metadata.name", r.Name).String(),
		ResourceVersion: strconv.FormatInt(n, 10), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s as it was at revision %d: %w", plainObject(r), n, err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	u := &list.Items[0]
	if u.GetAPIVersion() == "" { // items of a list may leave it to the list
		u.SetAPIVersion(list.GetAPIVersion())
		u.SetKind(strings.TrimSuffix(list.GetKind(), "List"))
	}
	return u, nil
}

// carryOutUndo writes. What was read must still be there.
func carryOutUndo(ctx context.Context, objects dynamic.ResourceInterface, u undo) error {
	var err error
	switch u.Verb {
	case undoCreate:
		_, err = objects.Create(ctx, u.To, metav1.CreateOptions{FieldManager: "minik-undo"})
	case undoUpdate:
		_, err = objects.Update(ctx, u.To, metav1.UpdateOptions{FieldManager: "minik-undo"})
	case undoDelete:
		uid, version := u.From.GetUID(), u.From.GetResourceVersion()
		err = objects.Delete(ctx, u.From.GetName(), metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
	}
	return err
}

// plainObject names the object of a revision, without its subresource.
func plainObject(r *api.Revision) string {
	plain := *r
	plain.Subresource = ""
	return revisionObject(&plain)
}

// agreed asks on the terminal, or whoever answers in its place; no answer is no.
func agreed(streams genericiooptions.IOStreams, question string) bool {
	_, _ = fmt.Fprint(streams.Out, question)
	answer, _ := bufio.NewReader(streams.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
