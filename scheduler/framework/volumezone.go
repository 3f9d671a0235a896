package framework

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	volumehelpers "k8s.io/component-helpers/storage/volume"
)

// VolumeZone keeps a pod in the zones and regions that its volumes are labelled with, as the volumes of clouds were before they had
// node affinity.
var volumeZoneRow = plugin{
	name:       VolumeZone,
	reads:      podClaimFields,
	clusterKey: appendVolumeZone,
	prepare: func(s *shape, p *Profile, snapshot *Snapshot, pod *corev1.Pod) {
		if s.zones = newVolumeZones(p, snapshot, pod); s.zones.refused != "" {
			s.refuse(VolumeZone, "%s", s.zones.refused)
		}
	},
	check: checkVolumeZone,
	helps: NodeAdded | NodeLabels | VolumesChanged,
}

// topologyLabels are those that count, the old names first.
var topologyLabels = []string{
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion, corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
}

// volumeZones are where the pod's volumes are.
type volumeZones struct {
	refused string // why no node will do; empty where one may
	places  []volumePlace
}

// volumePlace is a label of a volume, with the values of the label that nodes may have.
type volumePlace struct {
	key    string
	values []string
}

func newVolumeZones(p *Profile, snapshot *Snapshot, pod *corev1.Pod) volumeZones {
	var z volumeZones
	if !p.Filters[VolumeZone] {
		return z
	}
	names, made := podClaims(pod)
	for _, name := range names {
		if made[name] || z.refused != "" { // upstream looks at claims that the pod names alone
			continue
		}
		claim := snapshot.claims[types.NamespacedName{Namespace: pod.Namespace, Name: name}]
		if claim == nil {
			z.refused = fmt.Sprintf("persistentvolumeclaim %q not found", name)
		} else if claim.Spec.VolumeName == "" {
			z.refused = snapshot.noVolumeYet(claim)
		} else if volume := snapshot.volumes[claim.Spec.VolumeName]; volume == nil {
			z.refused = fmt.Sprintf("persistentvolume %q not found", claim.Spec.VolumeName)
		} else {
			z.places = append(z.places, volumePlaces(volume)...)
		}
	}
	return z
}

// noVolumeYet is what is wrong with a claim without a volume; nothing where it is bound once its pod has a node.
func (s *Snapshot) noVolumeYet(claim *corev1.PersistentVolumeClaim) string {
	name := volumehelpers.GetPersistentVolumeClaimClass(claim)
	class := s.classes[name]
	switch {
	case name == "":
		return "PersistentVolumeClaim had no pv name and storageClass name"
	case class == nil:
		return fmt.Sprintf("storageclass.storage.k8s.io %q not found", name)
	case class.VolumeBindingMode == nil:
		return fmt.Sprintf("VolumeBindingMode not set for StorageClass %q", name)
	case *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer:
		return ""
	}
	return "PersistentVolume had no name"
}

// volumePlaces are read off the labels; one volume may be in several zones. A label that cannot be read does not count.
func volumePlaces(volume *corev1.PersistentVolume) []volumePlace {
	var all []volumePlace
	for _, key := range topologyLabels {
		value, ok := volume.Labels[key]
		if !ok {
			continue
		}
		values := strings.Split(value, "__")
		for i, v := range values {
			values[i] = strings.TrimSpace(v)
		}
		if !slices.Contains(values, "") {
			all = append(all, volumePlace{key, values})
		}
	}
	return all
}

func appendVolumeZone(b []byte, p *Profile, s *Snapshot, pod *corev1.Pod) []byte {
	z := newVolumeZones(p, s, pod)
	if z.refused != "" {
		b = appendWord(append(b, 'z'), z.refused)
	}
	for _, place := range z.places {
		b = appendWord(append(b, 'z'), place.key)
		for _, value := range place.values {
			b = appendWord(b, value)
		}
	}
	return b
}

// checkVolumeZone: the node is where the volumes are, if it says where it is.
func checkVolumeZone(s *shape, n *NodeInfo) *Rejection {
	says := slices.ContainsFunc(topologyLabels, func(key string) bool { _, ok := n.Node.Labels[key]; return ok })
	if !says {
		return nil
	}
	for _, place := range s.zones.places {
		value, ok := n.Node.Labels[place.key]
		if !ok {
			value, ok = n.Node.Labels[newName(place.key)]
		}
		if !ok || !slices.Contains(place.values, value) {
			return reject(VolumeZone, true, "node(s) had no available volume zone")
		}
	}
	return nil
}

// newName is the label's name today.
func newName(key string) string {
	switch key {
	case corev1.LabelFailureDomainBetaZone:
		return corev1.LabelTopologyZone
	case corev1.LabelFailureDomainBetaRegion:
		return corev1.LabelTopologyRegion
	}
	return key
}
