package runtime

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ContainersOf are all the pod's containers.
func ContainersOf(pod *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		out = append(out, EphemeralContainer(&pod.Spec.EphemeralContainers[i]))
	}
	return out
}

// ContainerOf is the pod's container of that name, of whatever sort; nil where there is none.
func ContainerOf(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range ContainersOf(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// EphemeralContainer is an ephemeral container as any other: what it does not have is nil.
func EphemeralContainer(c *corev1.EphemeralContainer) *corev1.Container {
	return (*corev1.Container)(&c.EphemeralContainerCommon)
}

// FieldPath names one of the pod's containers in an Event.
func FieldPath(pod *corev1.Pod, name string) string {
	for _, c := range pod.Spec.InitContainers {
		if c.Name == name {
			return fmt.Sprintf("spec.initContainers{%s}", name)
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		if c.Name == name {
			return fmt.Sprintf("spec.ephemeralContainers{%s}", name)
		}
	}
	return fmt.Sprintf("spec.containers{%s}", name)
}

// StatusesOf are those of all the pod's containers.
func StatusesOf(s corev1.PodStatus) []corev1.ContainerStatus {
	out := make([]corev1.ContainerStatus, 0,
		len(s.InitContainerStatuses)+len(s.ContainerStatuses)+len(s.EphemeralContainerStatuses))
	out = append(append(out, s.InitContainerStatuses...), s.ContainerStatuses...)
	return append(out, s.EphemeralContainerStatuses...)
}

// PodRef names a pod as upstream's messages do.
func PodRef(pod *corev1.Pod) string {
	return fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID)
}

// LongestHostname is Linux's, in bytes.
const LongestHostname = 63

// Hostname is what the pod calls itself: its own hostname, else its name, cut to what Linux allows.
func Hostname(pod *corev1.Pod) string {
	name := pod.Spec.Hostname
	if name == "" {
		name = pod.Name
	}
	if len(name) > LongestHostname {
		name = strings.TrimRight(name[:LongestHostname], "-.")
	}
	return name
}
