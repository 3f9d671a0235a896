package framework

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/scheduler/schedulertest"
)

var (
	testNode, testPod        = schedulertest.Node, schedulertest.Pod
	resources, nodeResources = schedulertest.Resources, schedulertest.NodeResources
	lonely                   = schedulertest.Lonely

	noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

// place puts the pod on the node.
func place(s *Snapshot, pod *corev1.Pod, node string) {
	placed := pod.DeepCopy()
	placed.Spec.NodeName = node
	s.AddPod(placed)
}
