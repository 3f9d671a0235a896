package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// volumes has a pod use claims, some of which are not there.
func (r random) volumes(pod *corev1.Pod) {
	first := r.Intn(claims)
	for i := range 1 + r.Intn(2) { // not one claim twice: upstream counts the pod twice, then
		v := corev1.Volume{Name: fmt.Sprint("v", i)}
		if r.oneIn(8) {
			v.Ephemeral = &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources: corev1.VolumeResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
					},
				},
			}}
		} else {
			v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(pod.Namespace, (first+i)%claims)}
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes, v)
	}
}

// claims is how many there are in a namespace, at most.
const claims = 5

// claimName is another in each namespace: upstream's dry run of an eviction takes claims of one name for one.
func claimName(namespace string, i int) string { return fmt.Sprintf("%s-claim%d", namespace, i) }

// exclusive reports whether the claim is for one pod alone.
func exclusive(claim string) bool {
	return strings.HasSuffix(claim, "0") || strings.HasSuffix(claim, "1")
}

// claim is one of the name, and the volume that it is bound to, or is to be bound to; nil where there is none.
func (r random) claim(namespace, name string) (*corev1.PersistentVolumeClaim, *corev1.PersistentVolume) {
	class, mode := pick(r, "now", "now", "later", "missing"), corev1.ReadWriteOnce
	if exclusive(name) {
		mode = corev1.ReadWriteOncePod
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, ResourceVersion: "1", UID: types.UID(fmt.Sprint("claim-", r.Int63())),
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{mode},
			StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
	if r.oneIn(16) {
		claim.DeletionTimestamp = &metav1.Time{Time: noon}
	}
	if r.oneIn(6) { // it is not bound
		return claim, nil
	}
	claim.Spec.VolumeName, claim.Status.Phase = namespace+"-"+name, corev1.ClaimBound
	if r.oneIn(10) { // half of the binding is done
		claim.Status.Phase = corev1.ClaimPending
	} else {
		claim.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
	}
	if r.oneIn(16) {
		claim.Status.Phase = corev1.ClaimLost
	}
	if r.oneIn(12) {
		return claim, nil
	}
	return claim, r.volume(claim)
}

func (r random) volume(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName, ResourceVersion: "1"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
			ClaimRef:               &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
		},
	}
	if r.oneIn(3) {
		volume.Labels = map[string]string{
			pick(r, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone): pick(r, "zone-a", "zone-b__zone-c"),
		}
	}
	if r.oneIn(2) {
		volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: pick(r, corev1.LabelTopologyZone, diskLabel), Operator: corev1.NodeSelectorOpIn,
				Values: some(r, "zone-a", "zone-b", "ssd", "hdd"),
			}}}},
		}}
	}
	return volume
}

// classes are when claims are bound.
func classes() []*storagev1.StorageClass {
	class := func(name string, mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
		return &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &mode,
		}
	}
	return []*storagev1.StorageClass{
		class("now", storagev1.VolumeBindingImmediate), class("later", storagev1.VolumeBindingWaitForFirstConsumer),
	}
}
