package backends

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/net"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
)

// PodsOf are the pods that the Service's selector may match: none for a nil Service or one without a selector.
func PodsOf(service *corev1.Service, pods corelisters.PodLister) ([]*corev1.Pod, error) {
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

// ServicesOfPod wakes the Services that select the pod, or did before the event. An update that changes nothing an
// endpoint shows wakes none.
func ServicesOfPod(services corelisters.ServiceLister) func(pod, old *corev1.Pod) []string {
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
				keys = append(keys, loop.KeyOf(service))
			}
		}
		return keys
	}
}

// endpointChanged reports whether two states of a pod differ in what an endpoint shows of it.
func endpointChanged(old, pod *corev1.Pod) bool {
	return old.UID != pod.UID ||
		podstate.Ready(old) != podstate.Ready(pod) ||
		old.Status.Phase != pod.Status.Phase ||
		(old.DeletionTimestamp == nil) != (pod.DeletionTimestamp == nil) ||
		old.Spec.NodeName != pod.Spec.NodeName ||
		old.Status.PodIP != pod.Status.PodIP ||
		!equality.Semantic.DeepEqual(old.Status.PodIPs, pod.Status.PodIPs) ||
		!equality.Semantic.DeepEqual(old.Labels, pod.Labels)
}

// ManagedBy marks the Endpoints that the endpoint controller keeps, as upstream has since 1.33.
const ManagedBy = "endpoints.kubernetes.io/managed-by"

// Selected are the pods that the Service's selector matches. An empty, non-nil selector matches every pod, as upstream.
func Selected(service *corev1.Service, pods []*corev1.Pod) []*corev1.Pod {
	selector := labels.Set(service.Spec.Selector).AsSelectorPreValidated()
	var out []*corev1.Pod
	for _, pod := range pods {
		if pod.Namespace == service.Namespace && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, pod)
		}
	}
	return out
}

// Belongs reports whether a pod is an endpoint at all: it has an address, it has not ended for good, and it is not being
// deleted, unless terminating pods are asked for.
func Belongs(pod *corev1.Pod, terminating bool) bool {
	if podstate.Finished(pod) {
		return false
	}
	if pod.Status.PodIP == "" && len(pod.Status.PodIPs) == 0 {
		return false
	}
	return terminating || pod.DeletionTimestamp == nil
}

// Reference names the pod, as the targetRef of an endpoint does.
func Reference(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}

// HasHostname reports whether the pod has a DNS name below its Service: it asks for one in a subdomain that is named like the
// Service.
func HasHostname(service *corev1.Service, pod *corev1.Pod) bool {
	return pod.Spec.Hostname != "" && pod.Spec.Subdomain == service.Name && pod.Namespace == service.Namespace
}

// IsHeadless reports whether the Service has no address of its own: its DNS name is those of its pods.
func IsHeadless(service *corev1.Service) bool {
	return service.Spec.ClusterIP == corev1.ClusterIPNone || service.Spec.ClusterIP == ""
}

// PrimaryFamily is the first of the Service's address families; IPv4 where the API server set none.
func PrimaryFamily(service *corev1.Service) corev1.IPFamily {
	if len(service.Spec.IPFamilies) > 0 {
		return service.Spec.IPFamilies[0]
	}
	if net.IsIPv6String(service.Spec.ClusterIP) {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// Address is the pod's address of the family, or empty.
func Address(pod *corev1.Pod, family corev1.IPFamily) string {
	for _, ip := range pod.Status.PodIPs {
		if net.IsIPv6String(ip.IP) == (family == corev1.IPv6Protocol) {
			return ip.IP
		}
	}
	ip := pod.Status.PodIP
	if ip != "" && net.IsIPv6String(ip) == (family == corev1.IPv6Protocol) {
		return ip
	}
	return ""
}
