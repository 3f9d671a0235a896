package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	upstreamdeployment "k8s.io/kubernetes/pkg/controller/deployment"
	upstreamdisruption "k8s.io/kubernetes/pkg/controller/disruption"
	upstreamendpoint "k8s.io/kubernetes/pkg/controller/endpoint"
	upstreamslice "k8s.io/kubernetes/pkg/controller/endpointslice"
	upstreamreplicaset "k8s.io/kubernetes/pkg/controller/replicaset"
	upstreamreplication "k8s.io/kubernetes/pkg/controller/replication"

	"minik.dev/controllers/deployment"
	"minik.dev/controllers/disruption"
	"minik.dev/controllers/endpoint"
	"minik.dev/controllers/endpointslice"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/replicaset"
	"minik.dev/controllers/replication"
)

// workers is how many keys each controller works on at once.
const workers = 4

// side runs somebody's controllers on the server, and returns what ends them.
type side func(*server) (stop func())

// upstream are the controllers of kube-controller-manager, as it makes them.
func upstream(s *server) func() {
	ctx, cancel := context.WithCancel(context.Background())
	factory := informers.NewSharedInformerFactory(s, 0)
	core, apps, policy := factory.Core().V1(), factory.Apps().V1(), factory.Policy().V1()
	slices := factory.Discovery().V1().EndpointSlices()

	deployments, err := upstreamdeployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), core.Pods(), s)
	must(err)
	runs := []func(context.Context, int){
		deployments.Run,
		upstreamreplicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), core.Pods(), s, upstreamreplicaset.BurstReplicas).Run,
		upstreamreplication.NewReplicationManager(ctx, core.Pods(), core.ReplicationControllers(), s, upstreamreplication.BurstReplicas).Run,
		upstreamendpoint.NewEndpointController(ctx, core.Pods(), core.Services(), core.Endpoints(), s, 0).Run,
		upstreamslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), slices, 100, s, 0).Run,
		upstreamdisruption.NewDisruptionController(ctx, core.Pods(), policy.PodDisruptionBudgets(), core.ReplicationControllers(),
			apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(), s, meta.NewDefaultRESTMapper(nil), nil, s.Discovery()).Run,
	}
	factory.StartWithContext(ctx)
	var running sync.WaitGroup
	for _, run := range runs {
		running.Go(func() { run(ctx, workers) })
	}
	return func() {
		cancel()
		running.Wait()
		factory.Shutdown()
	}
}

// minik are its own for the same kinds.
func minik(s *server) func() {
	ctx, cancel := context.WithCancel(context.Background())
	rows := []loop.Row{
		{Name: "deployment-controller", Workers: workers, New: deployment.New},
		{Name: "replicaset-controller", Workers: workers, New: replicaset.New},
		{Name: "replication-controller", Workers: workers, New: replication.New},
		{Name: "endpoint-controller", Workers: workers, New: endpoint.New},
		{Name: "endpoint-slice-controller", Workers: workers, New: endpointslice.New},
		{Name: "disruption-controller", Workers: workers, New: disruption.New},
	}
	manager, err := loop.NewWith(&rest.Config{}, s, nil, loop.Options{Logger: slog.New(slog.DiscardHandler)}, rows,
		func(*rest.Config) (kubernetes.Interface, error) { return s, nil })
	must(err)
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			panic(fmt.Sprintf("ending minik's controllers: %v", err))
		}
	}
}
