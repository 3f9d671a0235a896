package service

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/loop"
	"minik.dev/events"
	"minik.dev/journal"
)

// loadBalancerController gives each Service of type LoadBalancer an address of its own. The status is the book: what it
// names is taken, so nothing is lost over a restart. It has one worker, so that two Services never get one address while
// the cache is a moment old.
//
// Real Kubernetes leaves this to a cloud's controller.
type loadBalancerController struct {
	client   kubernetes.Interface
	services corelisters.ServiceLister
	events   *events.Writer
	pool     netip.Prefix

	// granted are the addresses written lately, which the cache may not show yet. Only the one worker touches it.
	granted map[string]*corev1.Service
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	services := e.Informers.Core().V1().Services()
	c := &loadBalancerController{
		client: e.Client, services: services.Lister(), events: e.Events, pool: e.Options.LoadBalancerPool,
		granted: map[string]*corev1.Service{},
	}
	return loop.Controller{
		Watches:   []loop.Watch{loop.On(services.Informer(), loop.Self[*corev1.Service]), loop.On(services.Informer(), c.waiting)},
		Reconcile: c.reconcile,
	}, nil
}

// waiting wakes the Services that have no address yet when another may have given one back.
func (c *loadBalancerController) waiting(service, old *corev1.Service) []string {
	before := service
	if old != nil {
		before = old
	}
	if !ingressAddress(before).IsValid() {
		return nil
	}
	all, err := c.services.List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, other := range all {
		if other.Spec.Type == corev1.ServiceTypeLoadBalancer && !ingressAddress(other).IsValid() {
			keys = append(keys, loop.KeyOf(other))
		}
	}
	return keys
}

func (c *loadBalancerController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	service, err := c.services.Services(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		delete(c.granted, key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting Service %s: %w", key, err)
	}
	services, err := c.services.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	services = c.withGranted(services)
	if granted := c.granted[key]; granted != nil {
		service = granted
	}
	plan := planLoadBalancer(service, services, c.pool)
	ctx = journal.WithReason(ctx, plan.Reason)
	switch {
	case plan.Failure != "":
		c.events.Warning(service, "SyncLoadBalancerFailed", "Error syncing load balancer: failed to ensure load balancer: %s",
			plan.Failure)
	case plan.Ensure.IsValid():
		c.events.Normal(service, "EnsuringLoadBalancer", "Ensuring load balancer")
		mode := corev1.LoadBalancerIPModeVIP
		if err := c.write(ctx, service, corev1.LoadBalancerIngress{IP: plan.Ensure.String(), IPMode: &mode}); err != nil {
			return err
		}
		c.events.Normal(service, "EnsuredLoadBalancer", "Ensured load balancer")
	case plan.Release:
		return c.write(ctx, service)
	}
	return nil
}

// withGranted are the Services with the addresses that were written and that the cache does not show yet.
func (c *loadBalancerController) withGranted(services []*corev1.Service) []*corev1.Service {
	out := make([]*corev1.Service, 0, len(services))
	for _, service := range services {
		granted := c.granted[loop.KeyOf(service)]
		switch {
		case granted == nil:
		case granted.UID != service.UID || atLeast(service.ResourceVersion, granted.ResourceVersion):
			delete(c.granted, loop.KeyOf(service))
		default:
			service = granted
		}
		out = append(out, service)
	}
	return out
}

// atLeast reports whether a resourceVersion is the other one or a later one. Those that are no revisions count as equal.
func atLeast(resourceVersion, other string) bool {
	a, errA := strconv.ParseUint(resourceVersion, 10, 64)
	b, errB := strconv.ParseUint(other, 10, 64)
	return errA != nil || errB != nil || a >= b
}

func (c *loadBalancerController) write(
	ctx context.Context, service *corev1.Service, ingress ...corev1.LoadBalancerIngress,
) error {
	updated := service.DeepCopy()
	updated.Status.LoadBalancer.Ingress = ingress
	written, err := c.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return loop.ErrBehind
	}
	if err != nil {
		return fmt.Errorf("writing the load balancer's address of Service %s/%s: %w", service.Namespace, service.Name, err)
	}
	c.granted[loop.KeyOf(service)] = written
	return nil
}
