package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/journal"
)

// endpointsController keeps the Endpoints of each Service that has a selector.
//
// Real Kubernetes also stamps each write with the time of the pod event behind it
// (endpoints.kubernetes.io/last-change-trigger-time); here the journal's causes say that.
type endpointsController struct {
	client    kubernetes.Interface
	services  corelisters.ServiceLister
	pods      corelisters.PodLister
	endpoints corelisters.EndpointsLister
	events    *events
}

func newEndpointsController(e env) (controller, error) {
	core := e.informers.Core().V1()
	c := &endpointsController{
		client: e.client, services: core.Services().Lister(), pods: core.Pods().Lister(),
		endpoints: core.Endpoints().Lister(), events: e.events,
	}
	return controller{
		watches: []watch{
			on(core.Services().Informer(), self[*corev1.Service]),
			on(core.Endpoints().Informer(), self[*corev1.Endpoints]),
			on(core.Pods().Informer(), servicesOfPod(core.Services().Lister())),
		},
		reconcile: c.reconcile,
	}, nil
}

func (c *endpointsController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	current, err := c.endpoints.Endpoints(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		current = nil
	} else if err != nil {
		return fmt.Errorf("getting Endpoints %s: %w", key, err)
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		service = nil
	} else if err != nil {
		return fmt.Errorf("getting Service %s: %w", key, err)
	}
	if service == nil && current != nil && current.Labels[endpointsManagedBy] != endpointController {
		return nil // Endpoints that a user made without a Service, or before it, are the user's.
	}
	pods, err := podsOf(service, c.pods)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, namespace, name, service, current, planEndpoints(service, pods, current))
}

func (c *endpointsController) carryOut(ctx context.Context, namespace, name string, service *corev1.Service,
	current *corev1.Endpoints, plan endpointsPlan) error {
	ctx = journal.WithReason(ctx, plan.Reason)
	client := c.client.CoreV1().Endpoints(namespace)
	switch {
	case plan.Delete:
		err := client.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(current.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting Endpoints %s/%s: %w", namespace, name, err)
		}
	case plan.Create != nil:
		_, err := client.Create(ctx, plan.Create, metav1.CreateOptions{})
		if goneNamespace(err) || apierrors.IsAlreadyExists(err) {
			return nil // What exists already comes as an event.
		}
		if err != nil {
			c.events.warning(service, "FailedToCreateEndpoint", "Failed to create endpoint for service %s/%s: %v",
				namespace, name, err)
			return fmt.Errorf("creating Endpoints %s/%s: %w", namespace, name, err)
		}
	case plan.Update != nil:
		_, err := client.Update(ctx, plan.Update, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return errBehind
		}
		if err != nil {
			c.events.warning(service, "FailedToUpdateEndpoint", "Failed to update endpoint %s/%s: %v", namespace, name, err)
			return fmt.Errorf("updating Endpoints %s/%s: %w", namespace, name, err)
		}
	}
	return nil
}

// goneNamespace: nothing can be created in a namespace that is being deleted, and nothing need be.
func goneNamespace(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// podsOf are the pods that the Service's selector may match: none for a nil Service or one without a selector.
func podsOf(service *corev1.Service, pods corelisters.PodLister) ([]*corev1.Pod, error) {
	if service == nil || service.Spec.Selector == nil {
		return nil, nil
	}
	selector := labels.Set(service.Spec.Selector).AsSelectorPreValidated()
	found, err := pods.Pods(service.Namespace).List(selector)
	if err != nil {
		return nil, fmt.Errorf("listing the pods of Service %s/%s: %w", service.Namespace, service.Name, err)
	}
	return found, nil
}

// servicesOfPod wakes the Services that select the pod, or did before the event. An update that changes nothing an
// endpoint shows wakes none.
func servicesOfPod(services corelisters.ServiceLister) func(pod, old *corev1.Pod) []string {
	return func(pod, old *corev1.Pod) []string {
		if old != nil && !endpointChanged(old, pod) {
			return nil
		}
		all, err := services.Services(pod.Namespace).List(labels.Everything())
		if err != nil {
			return nil
		}
		var keys []string
		for _, service := range all {
			if service.Spec.Selector == nil {
				continue
			}
			selector := labels.Set(service.Spec.Selector).AsSelectorPreValidated()
			if selector.Matches(labels.Set(pod.Labels)) || (old != nil && selector.Matches(labels.Set(old.Labels))) {
				keys = append(keys, keyOf(service))
			}
		}
		return keys
	}
}

// endpointChanged reports whether two states of a pod differ in what an endpoint shows of it.
func endpointChanged(old, pod *corev1.Pod) bool {
	return old.UID != pod.UID ||
		podIsReady(old) != podIsReady(pod) ||
		old.Status.Phase != pod.Status.Phase ||
		(old.DeletionTimestamp == nil) != (pod.DeletionTimestamp == nil) ||
		old.Spec.NodeName != pod.Spec.NodeName ||
		old.Status.PodIP != pod.Status.PodIP ||
		!equality.Semantic.DeepEqual(old.Status.PodIPs, pod.Status.PodIPs) ||
		!equality.Semantic.DeepEqual(old.Labels, pod.Labels)
}
