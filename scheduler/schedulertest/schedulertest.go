// Package schedulertest makes the nodes and pods that the tests of the scheduler and of its parts begin with.
package schedulertest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Node is a node with room: name, "cpu=4", "memory=8Gi", …
func Node(name string, allocatable corev1.ResourceList, labels map[string]string) *corev1.Node {
	all := map[string]string{corev1.LabelHostname: name}
	for k, v := range labels {
		all[k] = v
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: all},
		Status:     corev1.NodeStatus{Allocatable: allocatable},
	}
}

// Resources are so much of cpu and memory, NodeResources with room for 110 pods.
func Resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
	}
}

// NodeResources are those of a node.
func NodeResources(cpu, memory string) corev1.ResourceList {
	list := Resources(cpu, memory)
	list[corev1.ResourcePods] = resource.MustParse("110")
	return list
}

// Pod is a pod of the ReplicaSet "web".
func Pod(name string, requests corev1.ResourceList) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: &yes,
			}},
		},
		Spec: corev1.PodSpec{
			SchedulerName: corev1.DefaultSchedulerName,
			Containers: []corev1.Container{{
				Name: "web", Resources: corev1.ResourceRequirements{Requests: requests},
			}},
		},
	}
}

// OnHost is a term on the pods with the label on one node.
func OnHost(app string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
	}}
}

// Lonely is a pod that shares no node with its like.
func Lonely(name string) *corev1.Pod {
	pod := Pod(name, Resources("100m", "100Mi"))
	pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: OnHost("web"),
	}}
	return pod
}
