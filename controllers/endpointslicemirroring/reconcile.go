package endpointslicemirroring

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/loop"
)

// endpointsMirror copies the Endpoints that a user wrote for a Service without a selector into EndpointSlices.
type endpointsMirror struct {
	services  corelisters.ServiceLister
	endpoints corelisters.EndpointsLister
	slices    discoverylisters.EndpointSliceLister
	writes    backends.SliceWrites
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core, discovery := e.Informers.Core().V1(), e.Informers.Discovery().V1()
	c := &endpointsMirror{services: core.Services().Lister(), endpoints: core.Endpoints().Lister(),
		slices: discovery.EndpointSlices().Lister(),
		writes: backends.NewSliceWrites(e.Client, discovery.EndpointSlices().Informer().GetStore()),
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Services().Informer(), loop.Self[*corev1.Service]),
			loop.On(core.Endpoints().Informer(), loop.Self[*corev1.Endpoints]),
			loop.On(discovery.EndpointSlices().Informer(), backends.ServiceOfSlice(mirroringController)),
		},
		Reconcile: c.reconcile,
	}, nil
}

func (c *endpointsMirror) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	if !c.writes.Shown(key) {
		return loop.ErrBehind
	}
	current, err := backends.SlicesOf(c.slices, namespace, name, mirroringController)
	if err != nil {
		return err
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		service = nil
	} else if err != nil {
		return fmt.Errorf("getting Service %s: %w", key, err)
	}
	endpoints, err := c.endpoints.Endpoints(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		endpoints = nil
	} else if err != nil {
		return fmt.Errorf("getting Endpoints %s: %w", key, err)
	}
	if service == nil && len(current) == 0 {
		c.writes.Forget(key)
		return nil
	}
	return c.writes.CarryOut(ctx, namespace, key, planMirror(service, endpoints, current))
}
