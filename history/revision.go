package history

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"minik.dev/api"
)

// At is a client configuration for the cluster as it was at a revision; 0 is the present.
func At(config *rest.Config, revision int64) *rest.Config {
	config = rest.CopyConfig(config)
	if revision != 0 {
		config.Host = fmt.Sprintf("%s/at/%d", strings.TrimSuffix(config.Host, "/"), revision)
	}
	return config
}

// newestEntry lists the journal's newest entry at or before the revision; 0 is the present.
func newestEntry(ctx context.Context, config *rest.Config, revision int64) (*api.RevisionList, error) {
	client, err := api.NewClient(At(config, revision))
	if err != nil {
		return nil, err
	}
	l := &api.RevisionList{}
	return l, client.Get().Resource("revisions").Param("limit", "1").Do(ctx).Into(l)
}

// Kept is nil for a revision that can be read, and else the API server's line that says which ones can.
func Kept(ctx context.Context, config *rest.Config, revision int64) error {
	_, err := newestEntry(ctx, config, revision)
	return err
}

// TimeOf is when a revision was made: a Lease or an Event leaves no entry, and the one before it is near enough.
func TimeOf(ctx context.Context, config *rest.Config, revision int64) (time.Time, error) {
	l, err := newestEntry(ctx, config, revision)
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the time of revision %d: %w", revision, err)
	}
	if len(l.Items) == 0 {
		return time.Time{}, fmt.Errorf("revision %d is not kept any more", revision)
	}
	return l.Items[0].Time.Time, nil
}

// ParseRevision reads a revision's number.
func ParseRevision(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no revision: it is a number, as 'minik history' lists them", s)
	}
	return n, nil
}

// ActorOf is who wrote, in one word or kubectl's own two.
func ActorOf(r *api.Revision) string {
	for _, s := range []string{r.Actor.Command, r.Actor.Component, r.Actor.User} {
		if s != "" {
			return s
		}
	}
	return "unknown"
}

// PathOf is what was written: namespace/resource/name/subresource, as far as it has them.
func PathOf(r *api.Revision) string {
	parts := []string{r.Resource, r.Name}
	if r.Namespace != "" {
		parts = append([]string{r.Namespace}, parts...)
	}
	if r.Subresource != "" {
		parts = append(parts, r.Subresource)
	}
	return strings.Join(parts, "/")
}

// ObjectOf is what was written in a sentence: "deployments/web/scale in shop".
func ObjectOf(r *api.Revision) string {
	object := r.Resource + "/" + r.Name
	if r.Subresource != "" {
		object += "/" + r.Subresource
	}
	if r.Namespace != "" {
		object += " in " + r.Namespace
	}
	return object
}
