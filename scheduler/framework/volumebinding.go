package framework

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	volumehelpers "k8s.io/component-helpers/storage/volume"
)

// VolumeBinding, as far as bound claims need it: the pod's claims exist and are bound, and their volumes can be reached from
// the node. Claims that wait for their first consumer are bound by nobody here, and the pod waits with upstream's words for
// that.
var volumeBindingRow = plugin{
	name:       VolumeBinding,
	reads:      podClaimFields,
	clusterKey: appendVolumeBinding,
	prepare:    prepareVolumeBinding,
	check:      checkVolumeBinding,
	helps:      NodeAdded | NodeLabels | VolumesChanged,
}

// podClaimFields are the fields that name a pod's claims. That of an ephemeral volume is made of two names.
var podClaimFields = []string{
	"metadata.name", "spec.volumes.name", "spec.volumes.ephemeral", "spec.volumes.persistentVolumeClaim.claimName",
}

// volumes is what the pod's claims ask of nodes.
type volumes struct {
	refused string // why no node will do; empty where one may
	unbound bool   // some claim waits for its first consumer
	missing bool   // some claim's volume does not exist
	reach   []*nodeaffinity.NodeSelector
}

// podClaims are the names of the claims that the pod uses. That of an ephemeral volume is made for the pod.
func podClaims(pod *corev1.Pod) (claims []string, made map[string]bool) {
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			name := pod.Name + "-" + v.Name
			if made == nil {
				made = map[string]bool{}
			}
			claims, made[name] = append(claims, name), true
		}
	}
	return claims, made
}

func prepareVolumeBinding(s *shape, p *Profile, snapshot *Snapshot, pod *corev1.Pod) {
	if s.volumes = newVolumes(p, snapshot, pod); s.volumes.refused != "" {
		s.refuse(VolumeBinding, "%s", s.volumes.refused)
	}
}

func newVolumes(p *Profile, snapshot *Snapshot, pod *corev1.Pod) volumes {
	var v volumes
	if !p.Filters[VolumeBinding] {
		return v
	}
	names, made := podClaims(pod)
	claims := make([]*corev1.PersistentVolumeClaim, len(names))
	for i, name := range names {
		claims[i] = snapshot.claims[types.NamespacedName{Namespace: pod.Namespace, Name: name}]
		if v.refused = unusable(name, claims[i], made[name]); v.refused != "" {
			return v
		}
	}
	for _, claim := range claims {
		v.addClaim(snapshot, claim)
	}
	return v
}

// unusable is what is wrong with a claim, whether or not it is bound; empty where nothing is.
func unusable(name string, claim *corev1.PersistentVolumeClaim, made bool) string {
	switch {
	case claim == nil && made:
		return fmt.Sprintf("waiting for ephemeral volume controller to create the persistentvolumeclaim %q", name)
	case claim == nil:
		return fmt.Sprintf("persistentvolumeclaim %q not found", name)
	case claim.Status.Phase == corev1.ClaimLost:
		return fmt.Sprintf("persistentvolumeclaim %q bound to non-existent persistentvolume %q", name, claim.Spec.VolumeName)
	case claim.DeletionTimestamp != nil:
		return fmt.Sprintf("persistentvolumeclaim %q is being deleted", name)
	}
	return ""
}

// addClaim is what one claim asks that is there.
func (v *volumes) addClaim(s *Snapshot, claim *corev1.PersistentVolumeClaim) {
	switch {
	case claim.Spec.VolumeName == "" && s.waits(claim):
		v.unbound = true
	case claim.Spec.VolumeName == "" || claim.Status.Phase != corev1.ClaimBound:
		v.refused = "pod has unbound immediate PersistentVolumeClaims"
	default:
		volume, ok := s.volumes[claim.Spec.VolumeName]
		v.missing = v.missing || !ok
		if ok && volume.Spec.NodeAffinity != nil && volume.Spec.NodeAffinity.Required != nil {
			// The API server refuses selectors that cannot be read.
			if selector, err := nodeaffinity.NewNodeSelector(volume.Spec.NodeAffinity.Required); err == nil {
				v.reach = append(v.reach, selector)
			}
		}
	}
}

// waits reports whether the claim's class binds it only when a pod uses it.
func (s *Snapshot) waits(claim *corev1.PersistentVolumeClaim) bool {
	class := s.classes[volumehelpers.GetPersistentVolumeClaimClass(claim)]
	return class != nil && class.VolumeBindingMode != nil &&
		*class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// appendVolumeBinding adds what the pod's claims ask: claims by other names that ask the same are one shape.
func appendVolumeBinding(b []byte, p *Profile, s *Snapshot, pod *corev1.Pod) []byte {
	names, _ := podClaims(pod)
	if len(names) == 0 {
		return b
	}
	v := newVolumes(p, s, pod)
	b = append(append(b, 'v'), v.refused...)
	b = strconv.AppendBool(strconv.AppendBool(b, v.unbound), v.missing)
	for _, name := range names {
		if claim := s.claims[types.NamespacedName{Namespace: pod.Namespace, Name: name}]; claim != nil {
			if volume := s.volumes[claim.Spec.VolumeName]; volume != nil && volume.Spec.NodeAffinity != nil {
				b = appendJSON(b, volume.Spec.NodeAffinity)
			}
		}
	}
	return b
}

// checkVolumeBinding: the volumes of the pod's claims can be reached from the node.
func checkVolumeBinding(s *shape, n *NodeInfo) *Rejection {
	v := &s.volumes
	if v.missing {
		return reject(VolumeBinding, true, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
	}
	var reasons []string
	if v.unbound {
		reasons = append(reasons, "node(s) didn't find available persistent volumes to bind")
	}
	if slices.ContainsFunc(v.reach, func(selector *nodeaffinity.NodeSelector) bool { return !selector.Match(n.Node) }) {
		reasons = append(reasons, "node(s) didn't match PersistentVolume's node affinity")
	}
	if reasons == nil {
		return nil
	}
	return reject(VolumeBinding, true, reasons...)
}

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
	return VolumesChanged
}
