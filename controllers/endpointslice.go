package controllers

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
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
	events   *events
	written  writtenSlices
}

func newEndpointSlicesController(e env) (controller, error) {
	core, discovery := e.informers.Core().V1(), e.informers.Discovery().V1()
	c := &endpointSlicesController{
		client: e.client, services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
		slices: discovery.EndpointSlices().Lister(), events: e.events,
	}
	return controller{
		watches: []watch{
			on(core.Services().Informer(), self[*corev1.Service]),
			on(core.Pods().Informer(), servicesOfPod(core.Services().Lister())),
			on(discovery.EndpointSlices().Informer(), c.serviceOfSlice),
			on(core.Nodes().Informer(), c.servicesOfZone),
		},
		reconcile: c.reconcile,
	}, nil
}

// serviceOfSlice wakes the Service that a slice is labelled with, and notes that the cache shows the slice.
func (c *endpointSlicesController) serviceOfSlice(slice, _ *discoveryv1.EndpointSlice) []string {
	if slice.Labels[discoveryv1.LabelManagedBy] != endpointSliceController {
		return nil
	}
	key := slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]
	c.written.seen(key, slice)
	return []string{key}
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
	mine := labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: endpointSliceController})
	current, err := c.slices.EndpointSlices(namespace).List(mine)
	if err != nil {
		return fmt.Errorf("listing the EndpointSlices of Service %s: %w", key, err)
	}
	if !c.written.shown(key, current) {
		return errBehind
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
		c.written.wrote(key, created)
	}
	for _, slice := range plan.Update {
		updated, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return errBehind
		}
		if err != nil {
			return fmt.Errorf("updating EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
		c.written.wrote(key, updated)
	}
	for _, slice := range plan.Delete {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(slice.UID))}
		err := client.Delete(ctx, slice.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting EndpointSlice %s of Service %s: %w", slice.Name, key, err)
		}
	}
	return nil
}

// writtenSlices remembers the slices that were written and that the cache may not show yet. Their names come from the
// server, so without this a cache that is a moment old would make the controller create every slice twice. The zero value
// is ready.
type writtenSlices struct {
	mu sync.Mutex
	// waiting maps a Service's key and a slice's UID to the revision of the last write.
	waiting map[string]map[types.UID]uint64
}

func (w *writtenSlices) wrote(key string, slice *discoveryv1.EndpointSlice) {
	revision, err := strconv.ParseUint(slice.ResourceVersion, 10, 64)
	if err != nil {
		return // Not a revision of a store: nothing can be compared with it.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]map[types.UID]uint64{}
	}
	if w.waiting[key] == nil {
		w.waiting[key] = map[types.UID]uint64{}
	}
	w.waiting[key][slice.UID] = revision
}

// seen notes that the cache has shown the slice in this or a later state, its deletion included.
func (w *writtenSlices) seen(key string, slice *discoveryv1.EndpointSlice) {
	revision, err := strconv.ParseUint(slice.ResourceVersion, 10, 64)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(key, slice.UID, revision)
}

func (w *writtenSlices) forget(key string, uid types.UID, revision uint64) {
	if waiting, ok := w.waiting[key][uid]; !ok || waiting > revision {
		return
	}
	delete(w.waiting[key], uid)
	if len(w.waiting[key]) == 0 {
		delete(w.waiting, key)
	}
}

// shown reports whether the cache shows every write to the Service's slices. What it lists counts as seen: the event may
// have come before the write's answer did.
func (w *writtenSlices) shown(key string, current []*discoveryv1.EndpointSlice) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, slice := range current {
		if revision, err := strconv.ParseUint(slice.ResourceVersion, 10, 64); err == nil {
			w.forget(key, slice.UID, revision)
		}
	}
	return len(w.waiting[key]) == 0
}
