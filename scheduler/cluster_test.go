package scheduler

import (
	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/framework"
	"minik.dev/scheduler/schedulertest"
)

var (
	testNode, testPod        = schedulertest.Node, schedulertest.Pod
	resources, nodeResources = schedulertest.Resources, schedulertest.NodeResources
	onHost, lonely           = schedulertest.OnHost, schedulertest.Lonely
)

// place puts the pod on the node.
func place(s *framework.Snapshot, pod *corev1.Pod, node string) {
	placed := pod.DeepCopy()
	placed.Spec.NodeName = node
	s.AddPod(placed)
}
