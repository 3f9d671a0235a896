package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// testNode is a node with room: name, "cpu=4", "memory=8Gi", …
func testNode(name string, allocatable corev1.ResourceList, labels map[string]string) *corev1.Node {
	all := map[string]string{corev1.LabelHostname: name}
	for k, v := range labels {
		all[k] = v
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: all},
		Status:     corev1.NodeStatus{Allocatable: allocatable},
	}
}

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
	}
}

func nodeResources(cpu, memory string) corev1.ResourceList {
	list := resources(cpu, memory)
	list[corev1.ResourcePods] = resource.MustParse("110")
	return list
}

// testPod is a pod of the ReplicaSet "web".
func testPod(name string, requests corev1.ResourceList) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, UID: types.UID("uid-of-" + name), Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: &yes,
			}},
		},
		Spec: corev1.PodSpec{
			SchedulerName: DefaultSchedulerName,
			Containers: []corev1.Container{{
				Name: "web", Resources: corev1.ResourceRequirements{Requests: requests},
			}},
		},
	}
}

// place puts the pod on the node.
func place(s *Snapshot, pod *corev1.Pod, node string) {
	placed := pod.DeepCopy()
	placed.Spec.NodeName = node
	s.AddPod(placed)
}
