package history

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/journal"
)

// NewUndo says how to take back what revision n did, and writes nothing; force does so also where the object was changed again
// since.
func NewUndo(ctx context.Context, config *rest.Config, n int64, force bool) (*Undo, error) {
	// 1. What the revision changed.
	revision, err := getRevision(ctx, config, n)
	if err != nil {
		return nil, err
	}
	objects, err := objectsOf(config, revision)
	if err != nil {
		return nil, err
	}
	if n > 1 {
		if err := Kept(ctx, config, n-1); err != nil {
			return nil, fmt.Errorf("what was before revision %d: %w", n, err)
		}
	}
	// 2. The object before it, after it and now.
	var s states
	if s.Before, err = objectAt(ctx, objects, revision, n-1); err != nil {
		return nil, err
	}
	if s.After, err = objectAt(ctx, objects, revision, n); err != nil {
		return nil, err
	}
	s.Now, err = objects.Get(ctx, revision.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		s.Now = nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", ObjectOf(revision), err)
	}
	if s.After != nil && s.Now != nil {
		if s.Later, err = laterWrites(ctx, config, objects, revision, s.After); err != nil {
			return nil, err
		}
	}
	// 3. What to write.
	u, err := planUndo(revision, s, force)
	if err != nil {
		return nil, err
	}
	u.Revision, u.objects = revision, objects
	return &u, nil
}

// Object names what is written: the revision's object, without its subresource.
func (u *Undo) Object() string { return plainObject(u.Revision) }

// Diff shows in YAML what is written.
func (u *Undo) Diff() (string, error) { return diffObjects(u.From, u.To) }

// Write writes it, with its reason. What was read must still be there.
func (u *Undo) Write(ctx context.Context) error {
	ctx = journal.WithReason(ctx, u.Reason)
	var err error
	switch u.Verb {
	case undoCreate:
		_, err = u.objects.Create(ctx, u.To, metav1.CreateOptions{FieldManager: "minik-undo"})
	case undoUpdate:
		_, err = u.objects.Update(ctx, u.To, metav1.UpdateOptions{FieldManager: "minik-undo"})
	case undoDelete:
		uid, version := u.From.GetUID(), u.From.GetResourceVersion()
		err = u.objects.Delete(ctx, u.From.GetName(), metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
	}
	if err != nil {
		return fmt.Errorf("undoing revision %s: %w", u.Revision.GetName(), err)
	}
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
		if err := Kept(ctx, config, n); err != nil {
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
	return nil, fmt.Errorf("revision %s wrote %s, of a kind that is not served any more", r.GetName(), ObjectOf(r))
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

// laterWrites are the writes to the object since a revision that changed more than its status, oldest first.
func laterWrites(ctx context.Context, config *rest.Config, objects dynamic.ResourceInterface, r *api.Revision,
	after *unstructured.Unstructured) ([]later, error) {
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	n, err := ParseRevision(r.GetName())
	if err != nil {
		return nil, err
	}
	var since []api.Revision
	err = (&Reader{client: client}).revisions(ctx, selecting(journal.ObjectOf(r)), 0, func(other api.Revision) bool {
		m, err := ParseRevision(other.ObjectMeta.Name)
		if err != nil || m <= n {
			return false
		}
		if other.Subresource != "status" {
			since = append(since, other)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	var out []later
	was := intended(after)
	for _, other := range slices.Backward(since) {
		m, _ := ParseRevision(other.ObjectMeta.Name) // it was read above
		state, err := objectAt(ctx, objects, &other, m)
		if err != nil {
			return nil, err
		}
		if state == nil {
			break // it was deleted: what came then is another object
		}
		is := intended(state)
		l := later{Revision: &other}
		for _, c := range changesOf(was, is) {
			l.Changed = append(l.Changed, c.at)
		}
		was = is
		if len(l.Changed) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// plainObject names the object of a revision, without its subresource.
func plainObject(r *api.Revision) string {
	plain := *r
	plain.Subresource = ""
	return ObjectOf(&plain)
}
