package scheduler

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SetClaim puts in a PersistentVolumeClaim.
func (s *Snapshot) SetClaim(claim *corev1.PersistentVolumeClaim) Change {
	s.claims[types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}] = claim
	return s.volumesChanged()
}

// RemoveClaim takes a PersistentVolumeClaim away.
func (s *Snapshot) RemoveClaim(claim *corev1.PersistentVolumeClaim) Change {
	delete(s.claims, types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name})
	return s.volumesChanged()
}

// SetVolume puts in a PersistentVolume.
func (s *Snapshot) SetVolume(volume *corev1.PersistentVolume) Change {
	s.volumes[volume.Name] = volume
	return s.volumesChanged()
}

// RemoveVolume takes a PersistentVolume away.
func (s *Snapshot) RemoveVolume(volume *corev1.PersistentVolume) Change {
	delete(s.volumes, volume.Name)
	return s.volumesChanged()
}

// SetClass puts in a StorageClass.
func (s *Snapshot) SetClass(class *storagev1.StorageClass) Change {
	s.classes[class.Name] = class
	return s.volumesChanged()
}

// RemoveClass takes a StorageClass away.
func (s *Snapshot) RemoveClass(class *storagev1.StorageClass) Change {
	delete(s.classes, class.Name)
	return s.volumesChanged()
}

func (s *Snapshot) volumesChanged() Change {
	s.claimsAt++
	return volumesChanged
}
