package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/journal"
)

// endpointSlicesController keeps the EndpointSlices of each Service that has a selector.
type endpointSlicesController struct {
	client   kubernetes.Interface
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	// own: names come from the server, so a cache that is a moment old would have every slice made twice.
	own   ownWrites
	store cache.Store
}

func newEndpointSlicesController(e env) (controller, error) {
	core, discovery := e.informers.Core().V1(), e.informers.Discovery().V1()
	c := &endpointSlicesController{
		client: e.client, services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
		slices: discovery.EndpointSlices().Lister(), store: discovery.EndpointSlices().Informer().GetStore(),
	}
	return controller{
		watches: []watch{
			on(core.Services().Informer(), self[*corev1.Service]),
			on(core.Pods().Informer(), servicesOfPod(core.Services().Lister())),
			on(discovery.EndpointSlices().Informer(), serviceOfSlice),
			on(core.Nodes().Informer(), c.servicesOfZone),
		},
		reconcile: c.reconcile,
	}, nil
}

// serviceOfSlice wakes the Service that a slice is labelled with.
func serviceOfSlice(slice, _ *discoveryv1.EndpointSlice) []string {
	if slice.Labels[discoveryv1.LabelManagedBy] != endpointSliceController {
		return nil
	}
	return []string{slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]}
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
	if !c.own.shownBy(c.store, key) {
		return errBehind
	}
	mine := labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: endpointSliceController})
	current, err := c.slices.EndpointSlices(namespace).List(mine)
	if err != nil {
		return fmt.Errorf("listing the EndpointSlices of Service %s: %w", key, err)
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
		c.own.forget(key)
		return nil
	}
	pods, err := podsOf(service, c.pods)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, namespace, key, planEndpointSlices(service, pods, c.zones(pods), current))
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

// carryOut creates before it deletes, so that an endpoint that moves from one slice to another is never in none.
func (c *endpointSlicesController) carryOut(ctx context.Context, namespace, key string, plan endpointSlicePlan) error {
	ctx = journal.WithReason(ctx, plan.Reason)
	client := c.client.DiscoveryV1().EndpointSlices(namespace)
	for _, slice := range plan.Create {
		created, err := client.Create(ctx, slice, metav1.CreateOptions{})
		if goneNamespace(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("creating an EndpointSlice of Service %s: %w", key, err)
		}
		c.own.wrote(key, created)
	}
	for _, slice := range plan.Update {
		updated, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return errBehind
		}
		if err != nil {
			return fmt.Errorf("updating EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		c.own.wrote(key, updated)
	}
	for _, slice := range plan.Delete {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(slice.UID))}
		err := client.Delete(ctx, slice.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		c.own.deleted(key, slice)
	}
	return nil
}
