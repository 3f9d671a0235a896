package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// endpointSlicesController keeps the EndpointSlices of each Service that has a selector.
type endpointSlicesController struct {
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	writes   sliceWrites
}

func newEndpointSlicesController(e env) (controller, error) {
	core, discovery := e.informers.Core().V1(), e.informers.Discovery().V1()
	c := &endpointSlicesController{
		services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
		slices: discovery.EndpointSlices().Lister(),
		writes: newSliceWrites(e.client, discovery.EndpointSlices().Informer().GetStore()),
	}
	return controller{
		watches: []watch{
			on(core.Services().Informer(), self[*corev1.Service]),
			on(core.Pods().Informer(), servicesOfPod(core.Services().Lister())),
			on(discovery.EndpointSlices().Informer(), serviceOfSlice(endpointSliceController)),
			on(core.Nodes().Informer(), c.servicesOfZone),
		},
		reconcile: c.reconcile,
	}, nil
}

// serviceOfSlice wakes the Service that a slice is labelled with, if the slice has the manager.
func serviceOfSlice(manager string) func(slice, old *discoveryv1.EndpointSlice) []string {
	return func(slice, _ *discoveryv1.EndpointSlice) []string {
		if slice.Labels[discoveryv1.LabelManagedBy] != manager {
			return nil
		}
		return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}
	}
}

// slicesOf are the slices of a Service that the manager has made.
func slicesOf(
	lister discoverylisters.EndpointSliceLister, namespace, service, manager string,
) ([]*discoveryv1.EndpointSlice, error) {
	found, err := lister.EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: manager}))
	if err != nil {
		return nil, fmt.Errorf("listing the EndpointSlices of Service %s/%s: %w", namespace, service, err)
	}
	return found, nil
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
			keys = append(keys, keyOf(service))
		}
	}
	return keys
}

func (c *endpointSlicesController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	if !c.writes.shown(key) {
		return errBehind
	}
	current, err := slicesOf(c.slices, namespace, name, endpointSliceController)
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
		c.writes.forget(key)
		return nil
	}
	pods, err := podsOf(service, c.pods)
	if err != nil {
		return err
	}
	return c.writes.carryOut(ctx, namespace, key, planEndpointSlices(service, pods, c.zones(pods), current))
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
