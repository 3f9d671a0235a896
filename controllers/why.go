package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/loop"
)

// The words of an answer to why.
type (
	// Moment is when a question is about.
	Moment = loop.Moment
	// Opinion is what one controller would do about an object.
	Opinion = loop.Opinion
	// Intent is a write that is not made.
	Intent = loop.Intent
)

// Why asks the controllers of a resource what they would do about one object as things are, or were at an earlier
// revision. It runs their own reconcile, with all that leads to a plan and follows from it, against the API server's
// answers of that moment, and keeps what they write from getting there.
func Why(ctx context.Context, config *rest.Config, resource schema.GroupResource, namespace, name string,
	at Moment) ([]Opinion, error) {
	var opinions []Opinion
	for _, r := range rows {
		if r.About != resource || r.Needs != "" {
			continue
		}
		opinion, err := r.Rehearse(ctx, config, cache.NewObjectName(namespace, name).String(), at)
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", r.Name, err)
		}
		opinions = append(opinions, opinion)
	}
	if len(opinions) == 0 {
		return nil, fmt.Errorf("no controller can be asked about %s; about these they can: %s", resource,
			strings.Join(askedAbout(), ", "))
	}
	return opinions, nil
}

// askedAbout are the resources that Why can answer for, by name.
func askedAbout() []string {
	var names []string
	for _, r := range rows {
		if !r.About.Empty() && r.Needs == "" {
			names = append(names, r.About.Resource)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
