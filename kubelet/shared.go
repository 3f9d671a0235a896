package kubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/backoff"
)

// What an agent of many nodes shares with the kubelet of one, so that its pods and nodes look and end the same way:
// kubelet/fleet. All of it is pure.

// Next is the one next step for the pod, and why.
func Next(pod *corev1.Pod, o Observed, now time.Time) Action { return next(pod, o, now) }

// PodStatus is what to report of the pod.
func PodStatus(pod *corev1.Pod, o Observed, hostIPs []string, now time.Time) corev1.PodStatus {
	return podStatus(pod, o, hostIPs, now)
}

// StatusReason says what a new status reports that the old one did not.
func StatusReason(old, now corev1.PodStatus) string { return statusReason(old, now) }

// NodeObject is the Node as the kubelet with these options wants it, made from the one in the API or from nothing.
func NodeObject(current *corev1.Node, o Options, info corev1.NodeSystemInfo, now time.Time) *corev1.Node {
	s := self{name: o.Node, labels: o.Labels, taints: o.Taints, port: o.Port, info: info,
		capacity: withDefaults(o.Capacity)}
	for _, ip := range o.IPs {
		s.addresses = append(s.addresses, ip.String())
	}
	for _, cidr := range o.PodCIDRs {
		s.podCIDRs = append(s.podCIDRs, cidr.String())
	}
	return s.node(current, now)
}

// NodeDiffers says whether a node's status has anything new to tell but the time.
func NodeDiffers(old, now corev1.NodeStatus) bool { return nodeDiffers(old, now) }

// RetryStart is how long a container or a sandbox waits that could not be made.
const RetryStart = backoff.Retry
