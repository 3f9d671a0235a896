package controllers

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"minik.dev/controllers/deployment"
	"minik.dev/controllers/disruption"
	"minik.dev/controllers/endpoint"
	"minik.dev/controllers/endpointslice"
	"minik.dev/controllers/endpointslicemirroring"
	"minik.dev/controllers/garbagecollector"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/namespace"
	"minik.dev/controllers/nodelifecycle"
	"minik.dev/controllers/podgc"
	"minik.dev/controllers/replicaset"
	"minik.dev/controllers/replication"
	"minik.dev/controllers/rootcacertpublisher"
	"minik.dev/controllers/service"
	"minik.dev/controllers/serviceaccount"
)

// rows are the controllers. To add one is to add a row here and a folder beside this file.
var rows = []loop.Row{
	{Name: "deployment-controller", Workers: 8, New: deployment.New,
		About: schema.GroupResource{Group: "apps", Resource: "deployments"}, RolloutStatus: loop.RolloutOf(deployment.RolloutStatus)},
	{Name: "replicaset-controller", Workers: 16, New: replicaset.New,
		About: schema.GroupResource{Group: "apps", Resource: "replicasets"}, RolloutStatus: loop.RolloutOf(replicaset.RolloutStatus)},
	{Name: "replication-controller", Workers: 4, New: replication.New,
		About: schema.GroupResource{Resource: "replicationcontrollers"}, RolloutStatus: loop.RolloutOf(replication.RolloutStatus)},
	{Name: "endpoint-controller", Workers: 8, New: endpoint.New,
		About: schema.GroupResource{Resource: "services"}},
	{Name: "endpoint-slice-controller", Workers: 8, New: endpointslice.New,
		About: schema.GroupResource{Resource: "services"}},
	{Name: "endpoint-slice-mirroring-controller", Workers: 4, New: endpointslicemirroring.New,
		About: schema.GroupResource{Resource: "endpoints"}},
	{Name: "service-account-controller", Workers: 2, New: serviceaccount.New,
		About: schema.GroupResource{Resource: "namespaces"}},
	{Name: "root-ca-certificate-publisher-controller", Workers: 2, New: rootcacertpublisher.New},
	{Name: "service-lb-controller", Workers: 1, New: service.New, Needs: "the cluster's pool of addresses",
		About: schema.GroupResource{Resource: "services"}, RolloutStatus: loop.RolloutOf(service.RolloutStatus)},
	{Name: "node-lifecycle-controller", Workers: 8, New: nodelifecycle.New,
		About: schema.GroupResource{Resource: "nodes"}, SeenAt: nodelifecycle.LastSign},
	{Name: "pod-garbage-collector-controller", Workers: 1, New: podgc.New,
		About: schema.GroupResource{Resource: "nodes"}},
	{Name: "disruption-controller", Workers: 4, New: disruption.New,
		About: schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}},
	{Name: "namespace-controller", Workers: 4, New: namespace.New,
		About: schema.GroupResource{Resource: "namespaces"}},
	{Name: "garbage-collector-controller", Workers: 20, New: garbagecollector.New},
}

// Names are the controllers as one holds them: "controller/" and upstream's name without its end.
func Names() []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.Held())
	}
	return names
}

// Actor is the name by which the journal knows the controller that is held by this one.
func Actor(held string) string {
	i := slices.IndexFunc(rows, func(r loop.Row) bool { return r.Held() == held })
	if i < 0 {
		return held
	}
	return rows[i].Name
}

type (
	// Options are what the surroundings give to the controllers.
	Options = loop.Options
	// Manager is all controllers over one set of informers.
	Manager = loop.Manager
)

// New makes the controllers, each with a client of its own, so that the journal tells them apart. It starts nothing.
func New(config *rest.Config, options Options) (*Manager, error) {
	return loop.New(config, options, rows)
}
