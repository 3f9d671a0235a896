package dns

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/utils/ptr"

	"minik.dev/journal"
)

// serviceName is where every cluster has its DNS, and what tools look for.
const serviceName = "kube-dns"

// staying keeps the server registered until ctx is done.
func (s *Server) staying(ctx context.Context, services corelisters.ServiceLister,
	slices discoverylisters.EndpointSliceLister) {
	ctx = journal.WithCause(ctx, journal.Cause{Timer: true})
	ticker := s.options.Clock.NewTicker(repairEvery)
	defer ticker.Stop()
	for {
		if err := s.register(ctx, services, slices); err != nil && ctx.Err() == nil {
			s.logger.Warn("cluster DNS is not registered, so pods do not find it; it is tried again", "error", err)
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return
		}
	}
}

// register makes the Service and its EndpointSlice what they must be.
func (s *Server) register(ctx context.Context, services corelisters.ServiceLister,
	slices discoverylisters.EndpointSliceLister) error {
	want := wantedService(s.options.Service.String())
	have, err := services.Services(want.Namespace).Get(want.Name)
	switch {
	case apierrors.IsNotFound(err):
		ctx := journal.WithReason(ctx, fmt.Sprintf("service %s/%s does not exist", want.Namespace, want.Name))
		_, err := s.client.CoreV1().Services(want.Namespace).Create(ctx, want, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making the service of cluster DNS at %s: %w", s.options.Service, err)
		}
	case err != nil:
		return fmt.Errorf("looking for the service of cluster DNS: %w", err)
	case have.Spec.ClusterIP != want.Spec.ClusterIP:
		// Its address cannot be changed, and pods ask at the one that is wanted.
		ctx := journal.WithReason(ctx, fmt.Sprintf("service %s/%s has address %s and must have %s", want.Namespace, want.Name,
			have.Spec.ClusterIP, want.Spec.ClusterIP))
		options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &have.UID}}
		if err := s.client.CoreV1().Services(want.Namespace).Delete(ctx, want.Name, options); err != nil {
			return fmt.Errorf("replacing the service of cluster DNS: %w", err)
		}
	}
	return s.registerEndpoint(ctx, slices)
}

func (s *Server) registerEndpoint(ctx context.Context, slices discoverylisters.EndpointSliceLister) error {
	want := wantedSlice(s.options.Listen.String())
	client := s.client.DiscoveryV1().EndpointSlices(want.Namespace)
	have, err := slices.EndpointSlices(want.Namespace).Get(want.Name)
	switch {
	case apierrors.IsNotFound(err):
		ctx := journal.WithReason(ctx, fmt.Sprintf("endpoint slice %s/%s does not exist", want.Namespace, want.Name))
		_, err = client.Create(ctx, want, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
	case err == nil && !(equality.Semantic.DeepEqual(have.Endpoints, want.Endpoints) &&
		equality.Semantic.DeepEqual(have.Ports, want.Ports)):
		ctx := journal.WithReason(ctx, fmt.Sprintf("endpoint slice %s/%s does not lead to %s", want.Namespace, want.Name,
			s.options.Listen))
		update := have.DeepCopy()
		update.Endpoints, update.Ports = want.Endpoints, want.Ports
		_, err = client.Update(ctx, update, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("registering cluster DNS at %s: %w", s.options.Listen, err)
	}
	return nil
}

// wantedService has no selector: the server is no pod.
func wantedService(ip string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName, Namespace: metav1.NamespaceSystem, Labels: map[string]string{
			"k8s-app": serviceName, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "minik-dns",
		}},
		Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{
			{Name: "dns", Port: port, Protocol: corev1.ProtocolUDP},
			{Name: "dns-tcp", Port: port, Protocol: corev1.ProtocolTCP},
		}},
	}
}

func wantedSlice(ip string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName, Namespace: metav1.NamespaceSystem, Labels: map[string]string{
			discoveryv1.LabelServiceName: serviceName, discoveryv1.LabelManagedBy: "dns.minik.dev",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{ip}, Conditions: discoveryv1.EndpointConditions{
			Ready: ptr.To(true), Serving: ptr.To(true), Terminating: ptr.To(false)}}},
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("dns"), Port: ptr.To[int32](port), Protocol: ptr.To(corev1.ProtocolUDP)},
			{Name: ptr.To("dns-tcp"), Port: ptr.To[int32](port), Protocol: ptr.To(corev1.ProtocolTCP)},
		},
	}
}
