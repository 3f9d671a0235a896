package endpoint

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/loop"
	"minik.dev/events"
	"minik.dev/journal"
)

// endpointsController keeps the Endpoints of each Service that has a selector.
type endpointsController struct {
	client    kubernetes.Interface
	services  corelisters.ServiceLister
	pods      corelisters.PodLister
	endpoints corelisters.EndpointsLister
	events    *events.Writer
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core := e.Informers.Core().V1()
	c := &endpointsController{
		client: e.Client, services: core.Services().Lister(), pods: core.Pods().Lister(),
		endpoints: core.Endpoints().Lister(), events: e.Events,
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Services().Informer(), loop.Self[*corev1.Service]),
			loop.On(core.Endpoints().Informer(), loop.Self[*corev1.Endpoints]),
			loop.On(core.Pods().Informer(), backends.ServicesOfPod(core.Services().Lister())),
		},
		Reconcile: c.reconcile,
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
	if service == nil && current != nil && current.Labels[backends.ManagedBy] != endpointController {
		return nil // Endpoints that a user made without a Service, or before it, are the user's.
	}
	pods, err := backends.PodsOf(service, c.pods)
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
		if loop.NamespaceGone(err) || apierrors.IsAlreadyExists(err) {
			return nil // What exists already comes as an event.
		}
		if err != nil {
			c.events.Warning(service, "FailedToCreateEndpoint", "Failed to create endpoint for service %s/%s: %v",
				namespace, name, err)
			return fmt.Errorf("creating Endpoints %s/%s: %w", namespace, name, err)
		}
	case plan.Update != nil:
		_, err := client.Update(ctx, plan.Update, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return loop.ErrBehind
		}
		if err != nil {
			c.events.Warning(service, "FailedToUpdateEndpoint", "Failed to update endpoint %s/%s: %v", namespace, name, err)
			return fmt.Errorf("updating Endpoints %s/%s: %w", namespace, name, err)
		}
	}
	return nil
}
