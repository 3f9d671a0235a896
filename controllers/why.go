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

// askedAbout are the controllers that have something to say about a resource. Those that need more than the API to know
// what they want (the cluster's authority, its pool of addresses) are not asked.
var askedAbout = map[schema.GroupResource][]string{
	{Group: "apps", Resource: "deployments"}:            {"deployment-controller"},
	{Group: "apps", Resource: "replicasets"}:            {"replicaset-controller"},
	{Resource: "replicationcontrollers"}:                {"replication-controller"},
	{Resource: "nodes"}:                                 {"node-lifecycle-controller", "pod-garbage-collector-controller"},
	{Resource: "namespaces"}:                            {"namespace-controller", "service-account-controller"},
	{Resource: "services"}:                              {"endpoint-controller", "endpoint-slice-controller"},
	{Resource: "endpoints"}:                             {"endpoint-slice-mirroring-controller"},
	{Group: "policy", Resource: "poddisruptionbudgets"}: {"disruption-controller"},
}

// AskedAbout are the resources that Why can answer for, by name.
func AskedAbout() []string {
	var names []string
	for resource := range askedAbout {
		names = append(names, resource.Resource)
	}
	slices.Sort(names)
	return names
}

// Why asks the controllers of a resource what they would do about one object as things are, or were at an earlier
// revision. It runs their own reconcile, with all that leads to a plan and follows from it, against the API server's
// answers of that moment, and keeps what they write from getting there.
func Why(ctx context.Context, config *rest.Config, resource schema.GroupResource, namespace, name string,
	at Moment) ([]Opinion, error) {
	names := askedAbout[resource]
	if len(names) == 0 {
		return nil, fmt.Errorf("no controller can be asked about %s; about these they can: %s", resource,
			strings.Join(AskedAbout(), ", "))
	}
	var opinions []Opinion
	for _, r := range rows {
		if !slices.Contains(names, r.Name) {
			continue
		}
		opinion, err := r.Rehearse(ctx, config, cache.NewObjectName(namespace, name).String(), at)
		if err != nil {
			return nil, fmt.Errorf("asking %s: %w", r.Name, err)
		}
		opinions = append(opinions, opinion)
	}
	return opinions, nil
}
