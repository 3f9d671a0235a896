package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Claims and volumes in the plainest way: look each up, whenever it is asked for.

// claimsOf are the pod's claims, those that do not exist as nil.
func (r *reference) claimsOf(pod *corev1.Pod) []*corev1.PersistentVolumeClaim {
	var all []*corev1.PersistentVolumeClaim
	for _, v := range pod.Spec.Volumes {
		all = append(all, r.claims[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName])
	}
	return all
}

// waits reports whether the claim is to be bound when a pod uses it.
func (r *reference) waits(c *corev1.PersistentVolumeClaim) bool {
	if c.Spec.VolumeName != "" || c.Spec.StorageClassName == nil {
		return false
	}
	class := r.classes[*c.Spec.StorageClassName]
	return class != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// rejectsClaims is what keeps the pod from all nodes.
func (r *reference) rejectsClaims(pod *corev1.Pod) []string {
	for _, c := range r.claimsOf(pod) {
		switch {
		case c == nil, c.Status.Phase == corev1.ClaimLost, c.DeletionTimestamp != nil,
			!r.waits(c) && (c.Spec.VolumeName == "" || c.Status.Phase != corev1.ClaimBound):
			return []string{"a claim is not ready"}
		}
	}
	return nil
}

// rejectsVolumes is what keeps the pod from the node.
func (r *reference) rejectsVolumes(pod *corev1.Pod, node *corev1.Node) []string {
	for i, c := range r.claimsOf(pod) {
		name := pod.Spec.Volumes[i].PersistentVolumeClaim.ClaimName
		for _, other := range r.pods {
			for _, v := range other.Spec.Volumes {
				if c.Spec.AccessModes[0] == corev1.ReadWriteOncePod && other.Namespace == pod.Namespace &&
					v.PersistentVolumeClaim.ClaimName == name {
					return []string{"another pod has the claim of ReadWriteOncePod access mode"}
				}
			}
		}
	}
	for _, c := range r.claimsOf(pod) {
		volume := r.volumes[c.Spec.VolumeName]
		if volume == nil {
			return []string{"no volume for a claim"}
		}
		selector, _ := nodeaffinity.NewNodeSelector(volume.Spec.NodeAffinity.Required)
		if !selector.Match(node) {
			return []string{"a volume is elsewhere"}
		}
	}
	return nil
}
