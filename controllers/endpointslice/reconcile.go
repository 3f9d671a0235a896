package endpointslice

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/loop"
)

// endpointSlicesController keeps the EndpointSlices of each Service that has a selector.
type endpointSlicesController struct {
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	writes   backends.SliceWrites
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core, discovery := e.Informers.Core().V1(), e.Informers.Discovery().V1()
	c := &endpointSlicesController{
		services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
		slices: discovery.EndpointSlices().Lister(),
		writes: backends.NewSliceWrites(e.Client, discovery.EndpointSlices().Informer().GetStore()),
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Services().Informer(), loop.Self[*corev1.Service]),
			loop.On(core.Pods().Informer(), backends.ServicesOfPod(core.Services().Lister())),
			loop.On(discovery.EndpointSlices().Informer(), backends.ServiceOfSlice(endpointSliceController)),
			loop.On(core.Nodes().Informer(), c.servicesOfZone),
		},
		Reconcile: c.reconcile,
	}, nil
}

// servicesOfZone wakes every Service with a selector when a node has come to another zone, which hardly ever happens.
func (c *endpointSlicesController) servicesOfZone(node, old *corev1.Node) []string {
	zone := node.Labels[corev1.LabelTopologyZone]
	if (old == nil && zone == "") || (old != nil && old.Labels[corev1.LabelTopologyZone] == zone) {
		return nil
	}
	all, err := c.services.List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, service := range all {
		if service.Spec.Selector != nil {
			keys = append(keys, loop.KeyOf(service))
		}
	}
	return keys
}

func (c *endpointSlicesController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	if !c.writes.Shown(key) {
		return loop.ErrBehind
	}
	current, err := backends.SlicesOf(c.slices, namespace, name, endpointSliceController)
	if err != nil {
		return err
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		service = nil
	} else if err != nil {
		return fmt.Errorf("getting Service %s: %w", key, err)
	}
	if service != nil && service.DeletionTimestamp != nil {
		return nil
	}
	if service == nil && len(current) == 0 {
		c.writes.Forget(key)
		return nil
	}
	pods, err := backends.PodsOf(service, c.pods)
	if err != nil {
		return err
	}
	return c.writes.CarryOut(ctx, namespace, key, planEndpointSlices(service, pods, c.zones(pods), current))
}

// zones are the zones of the nodes on which the pods run.
func (c *endpointSlicesController) zones(pods []*corev1.Pod) map[string]string {
	zones := map[string]string{}
	for _, pod := range pods {
		if _, known := zones[pod.Spec.NodeName]; known || pod.Spec.NodeName == "" {
			continue
		}
		zones[pod.Spec.NodeName] = ""
		if node, err := c.nodes.Get(pod.Spec.NodeName); err == nil {
			zones[pod.Spec.NodeName] = node.Labels[corev1.LabelTopologyZone]
		}
	}
	return zones
}
