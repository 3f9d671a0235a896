package apiserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/flowcontrol"
	"minik.dev/apiserver/resources/scheduling"
	"minik.dev/journal"
)

// systemNamespaces are there in every cluster.
var systemNamespaces = []string{"default", "kube-system", "kube-public", corev1.NamespaceNodeLease}

// System is what the system's own objects say of the cluster.
type System struct {
	// Services are the addresses for cluster IPs, ServiceIP is the one of them at which pods find the API server.
	Services  netip.Prefix
	ServiceIP netip.Addr
	// Endpoint is where the API server listens.
	Endpoint *net.TCPAddr
}

// Bootstrap makes what every cluster has before anyone asks: the system's namespaces and priority classes, the ServiceCIDR
// `kubernetes`, and the service of that name with the server's own address behind it. It speaks to the server as a client, and
// changes nothing that is right already.
func Bootstrap(ctx context.Context, config *rest.Config, system System) error {
	client, err := kubernetes.NewForConfig(journal.Config(config, "kube-apiserver"))
	if err != nil {
		return fmt.Errorf("making the API server's own client: %w", err)
	}
	return bootstrap(ctx, client, system)
}

// repairEvery is how often somebody's deletion of what every cluster has is mended, as upstream.
const repairEvery = 10 * time.Second

// KeepBootstrapped makes again what Bootstrap made and somebody deleted, until ctx ends. The configuration of flow control it makes at
// once, and keeps as well: a cluster that starts does not wait for it.
func KeepBootstrapped(ctx context.Context, config *rest.Config, system System, clock clock.WithTicker,
	logger *slog.Logger) error {
	client, err := kubernetes.NewForConfig(journal.Config(config, "kube-apiserver"))
	if err != nil {
		return fmt.Errorf("making the API server's own client: %w", err)
	}
	ticker := clock.NewTicker(repairEvery)
	defer ticker.Stop()
	ctx = journal.WithCause(ctx, journal.Cause{Timer: true})
	tell := func(err error) {
		if err != nil && ctx.Err() == nil {
			logger.Error("what every cluster has can't be repaired", "component", "apiserver", "err", err)
		}
	}
	for {
		tell(flowcontrol.Ensure(journal.WithReason(ctx, alwaysThere), client.FlowcontrolV1(), metav1.NewTime(clock.Now())))
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
		tell(bootstrap(ctx, client, system))
	}
}

// alwaysThere is why these objects are made.
const alwaysThere = "every cluster has it"

func bootstrap(ctx context.Context, client kubernetes.Interface, system System) error {
	ctx = journal.WithReason(ctx, alwaysThere)
	for _, name := range systemNamespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	for _, class := range systemClasses() {
		_, err := client.SchedulingV1().PriorityClasses().Create(ctx, class, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("making priority class %s: %w", class.Name, err)
		}
	}
	if err := defaultServiceCIDR(ctx, client, system.Services.String()); err != nil {
		return err
	}
	if err := masterService(ctx, client, system.ServiceIP.String()); err != nil {
		return err
	}
	return masterEndpoints(ctx, client, system.Endpoint)
}

// systemClasses are the priority classes of what a cluster cannot do without.
func systemClasses() []*schedulingv1.PriorityClass {
	class := func(name, whom string) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{
			ObjectMeta:  metav1.ObjectMeta{Name: name},
			Value:       scheduling.SystemPriorities[name],
			Description: "Used for system critical pods that must " + whom + ".",
		}
	}
	return []*schedulingv1.PriorityClass{
		class("system-cluster-critical", "run in the cluster, but can be moved to another node if necessary"),
		class("system-node-critical", "not be moved from their current node"),
	}
}

// defaultServiceCIDR says where cluster IPs are from, as upstream's object of the name does. A range that the cluster no longer
// has, because it moved, is replaced.
func defaultServiceCIDR(ctx context.Context, client kubernetes.Interface, services string) error {
	cidrs, ready := client.NetworkingV1().ServiceCIDRs(), networkingv1.ServiceCIDRConditionReady
	existing, err := cidrs.Get(ctx, "kubernetes", metav1.GetOptions{})
	if err == nil && !slices.Equal(existing.Spec.CIDRs, []string{services}) {
		if err = cidrs.Delete(ctx, "kubernetes", metav1.DeleteOptions{}); err == nil {
			err = apierrors.NewNotFound(networkingv1.Resource("servicecidrs"), "kubernetes")
		}
	}
	if apierrors.IsNotFound(err) {
		existing, err = cidrs.Create(ctx, &networkingv1.ServiceCIDR{
			ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{services}},
		}, metav1.CreateOptions{})
	}
	if err == nil && !meta.IsStatusConditionTrue(existing.Status.Conditions, ready) {
		meta.SetStatusCondition(&existing.Status.Conditions, metav1.Condition{
			Type: ready, Status: metav1.ConditionTrue, Message: "Kubernetes default Service CIDR is ready",
			LastTransitionTime: existing.CreationTimestamp,
		})
		_, err = cidrs.UpdateStatus(ctx, existing, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("making the ServiceCIDR kubernetes: %w", err)
	}
	return nil
}

// masterService is the service at which pods find the API server. An address that the cluster no longer has, because its
// range moved, is replaced.
func masterService(ctx context.Context, client kubernetes.Interface, serviceIP string) error {
	services := client.CoreV1().Services(metav1.NamespaceDefault)
	existing, err := services.Get(ctx, "kubernetes", metav1.GetOptions{})
	switch {
	case err == nil && existing.Spec.ClusterIP == serviceIP:
		return nil
	case err == nil:
		err = services.Delete(ctx, "kubernetes", metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("looking for the service kubernetes: %w", err)
	}
	_, err = services.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "kubernetes",
			Labels: map[string]string{"component": "apiserver", "provider": "kubernetes"},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP:       serviceIP,
			SessionAffinity: corev1.ServiceAffinityNone,
			Ports: []corev1.ServicePort{{
				Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, TargetPort: intstr.FromInt32(6443),
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making the service kubernetes: %w", err)
	}
	return nil
}

// masterEndpoints puts the server behind the service, in both of the kinds that clients read.
func masterEndpoints(ctx context.Context, client kubernetes.Interface, endpoint *net.TCPAddr) error {
	ip, port := endpoint.IP.String(), int32(endpoint.Port)
	wanted := &corev1.Endpoints{ //nolint:staticcheck // deprecated, and still served and read
		ObjectMeta: metav1.ObjectMeta{
			Name:   "kubernetes",
			Labels: map[string]string{discoveryv1.LabelSkipMirror: "true"},
		},
		Subsets: []corev1.EndpointSubset{{ //nolint:staticcheck // as above
			Addresses: []corev1.EndpointAddress{{IP: ip}},                                               //nolint:staticcheck // as above
			Ports:     []corev1.EndpointPort{{Name: "https", Port: port, Protocol: corev1.ProtocolTCP}}, //nolint:staticcheck // as above
		}},
	}
	endpoints := client.CoreV1().Endpoints(metav1.NamespaceDefault)
	have, err := endpoints.Get(ctx, "kubernetes", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = endpoints.Create(ctx, wanted, metav1.CreateOptions{})
	case err == nil && !equality.Semantic.DeepEqual(have.Subsets, wanted.Subsets):
		_, err = endpoints.Update(ctx, wanted, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("writing the endpoints of the service kubernetes: %w", err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:   "kubernetes",
			Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{ip}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: &port, Protocol: ptr.To(corev1.ProtocolTCP)}},
	}
	slices := client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault)
	found, err := slices.Get(ctx, "kubernetes", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = slices.Create(ctx, slice, metav1.CreateOptions{})
	case err == nil && (!equality.Semantic.DeepEqual(found.Endpoints, slice.Endpoints) ||
		!equality.Semantic.DeepEqual(found.Ports, slice.Ports)):
		_, err = slices.Update(ctx, slice, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("writing the endpoint slice of the service kubernetes: %w", err)
	}
	return nil
}
