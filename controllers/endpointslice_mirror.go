package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/net"
)

// mirroringController is the value of the label endpointslice.kubernetes.io/managed-by of mirrored slices.
const mirroringController = "endpointslicemirroring-controller.k8s.io"

// endpointsMirror copies the Endpoints that a user wrote for a Service without a selector into EndpointSlices, which is
// what proxies read.
//
// Real Kubernetes mirrors at most 1,000 addresses of a subset, and copies annotations too.
type endpointsMirror struct {
	services  corelisters.ServiceLister
	endpoints corelisters.EndpointsLister
	slices    discoverylisters.EndpointSliceLister
	writes    sliceWrites
}

func newEndpointsMirror(e env) (controller, error) {
	core, discovery := e.informers.Core().V1(), e.informers.Discovery().V1()
	c := &endpointsMirror{services: core.Services().Lister(), endpoints: core.Endpoints().Lister(),
		slices: discovery.EndpointSlices().Lister(),
		writes: newSliceWrites(e.client, discovery.EndpointSlices().Informer().GetStore()),
	}
	return controller{
		watches: []watch{
			on(core.Services().Informer(), self[*corev1.Service]),
			on(core.Endpoints().Informer(), self[*corev1.Endpoints]),
			on(discovery.EndpointSlices().Informer(), serviceOfSlice(mirroringController)),
		},
		reconcile: c.reconcile,
	}, nil
}

// planMirror says how the mirrored slices must change. Either object may be nil.
func planMirror(
	service *corev1.Service, endpoints *corev1.Endpoints, current []*discoveryv1.EndpointSlice,
) endpointSlicePlan {
	because := ""
	switch {
	case service == nil:
		because = "the Service is gone"
	case endpoints == nil:
		because = "the Endpoints are gone"
	case service.Spec.Selector != nil:
		because = "the Service has a selector"
	case endpoints.Labels[discoveryv1.LabelSkipMirror] == "true":
		because = "the Endpoints have the label " + discoveryv1.LabelSkipMirror
	case endpoints.Annotations["control-plane.alpha.kubernetes.io/leader"] != "":
		because = "the Endpoints hold a leader election"
	}
	if because != "" {
		return endpointSlicePlan{Delete: current, Reason: because}
	}
	labels := map[string]string{}
	maps.Copy(labels, endpoints.Labels)
	delete(labels, endpointsManagedBy)
	labels[discoveryv1.LabelServiceName] = service.Name
	labels[discoveryv1.LabelManagedBy] = mirroringController
	owner := sliceOwner{service: service.Name, namespace: service.Namespace, labels: labels,
		reference: *metav1.NewControllerRef(endpoints, corev1.SchemeGroupVersion.WithKind("Endpoints"))}
	return planSlices(owner, mirroredGroups(endpoints), current)
}

func mirroredGroups(endpoints *corev1.Endpoints) map[string]*endpointGroup {
	groups := map[string]*endpointGroup{}
	add := func(address corev1.EndpointAddress, ports []discoveryv1.EndpointPort, ready bool) {
		addressType := discoveryv1.AddressTypeIPv4
		if net.IsIPv6String(address.IP) {
			addressType = discoveryv1.AddressTypeIPv6
		}
		key := sliceKey(addressType, ports)
		if groups[key] == nil {
			groups[key] = &endpointGroup{addressType: addressType, ports: ports}
		}
		endpoint := discoveryv1.Endpoint{Addresses: []string{address.IP}, NodeName: address.NodeName,
			Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: address.TargetRef}
		if address.Hostname != "" {
			endpoint.Hostname = &address.Hostname
		}
		groups[key].endpoints = append(groups[key].endpoints, endpoint)
	}
	for _, subset := range endpoints.Subsets {
		ports := slicePorts(subset.Ports)
		for _, address := range subset.Addresses {
			add(address, ports, true)
		}
		for _, address := range subset.NotReadyAddresses {
			add(address, ports, false)
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.endpoints, func(a, b discoveryv1.Endpoint) int {
			return strings.Compare(endpointKey(a), endpointKey(b))
		})
	}
	return groups
}

func (c *endpointsMirror) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	if !c.writes.shown(key) {
		return errBehind
	}
	current, err := slicesOf(c.slices, namespace, name, mirroringController)
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
		c.writes.forget(key)
		return nil
	}
	return c.writes.carryOut(ctx, namespace, key, planMirror(service, endpoints, current))
}
