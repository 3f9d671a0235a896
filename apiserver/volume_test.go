package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A volume says since when it has its phase (KEP-3762): from its creation on, and anew with each phase.
func TestVolumePhaseIsStamped(t *testing.T) {
	ts := start(t)
	volumes := ts.client.CoreV1().PersistentVolumes()
	made, err := volumes.Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "disk"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, corev1.VolumePending, made.Status.Phase)
	require.Equal(t, made.CreationTimestamp.Unix(), made.Status.LastPhaseTransitionTime.Unix())

	long := metav1.NewTime(made.CreationTimestamp.AddDate(-1, 0, 0))
	made.Status.LastPhaseTransitionTime = &long // its writer may say so itself
	made, err = volumes.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, long.Unix(), made.Status.LastPhaseTransitionTime.Unix())

	made.Status = corev1.PersistentVolumeStatus{Phase: corev1.VolumePending, Message: "waiting"}
	made, err = volumes.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, long.Unix(), made.Status.LastPhaseTransitionTime.Unix(), "the phase is the same")

	made.Status.Phase = corev1.VolumeAvailable
	made, err = volumes.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, made.Status.LastPhaseTransitionTime.Unix(), made.CreationTimestamp.Unix())
}

// A bound claim grows where its class lets volumes grow
// (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims).
func TestClaimGrows(t *testing.T) {
	ts := start(t)
	claims := ts.client.CoreV1().PersistentVolumeClaims("default")
	_, err := ts.client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	class, err := ts.client.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "slow"}, Provisioner: "example.com/disk",
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	size := func(s string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(s)}
	}
	claim, err := claims.Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: size("1Gi")},
			StorageClassName: ptr.To("slow"),
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	grow := func() error {
		larger := claim.DeepCopy()
		larger.Spec.Resources.Requests = size("2Gi")
		_, err := claims.Update(t.Context(), larger, metav1.UpdateOptions{})
		return err
	}
	require.ErrorContains(t, grow(), "spec is immutable after creation except resources.requests", "it has no volume yet")

	claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: size("1Gi")}
	claim, err = claims.UpdateStatus(t.Context(), claim, metav1.UpdateOptions{})
	require.NoError(t, err)
	err = grow()
	require.True(t, apierrors.IsForbidden(err))
	require.ErrorContains(t, err, "the storageclass that provisions the pvc must support resize")

	class.AllowVolumeExpansion = ptr.To(true)
	_, err = ts.client.StorageV1().StorageClasses().Update(t.Context(), class, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.NoError(t, grow())
}

// A claim that names no class gets the newest of the default ones
// (https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass).
func TestDefaultStorageClass(t *testing.T) {
	ts := start(t)
	_, err := ts.client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	class := func(name, isDefault string) {
		_, err := ts.client.StorageV1().StorageClasses().Create(t.Context(), &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
				"storageclass.kubernetes.io/is-default-class": isDefault,
			}},
			Provisioner: "example.com/disk",
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	classOf := func(name string, asked *string) *string {
		claim, err := ts.client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				StorageClassName: asked,
				Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				},
			},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		return claim.Spec.StorageClassName
	}
	class("slow", "false")
	require.Nil(t, classOf("early", nil), "there is no default class yet")
	class("fast", "true")
	require.Equal(t, ptr.To("fast"), classOf("plain", nil))
	require.Equal(t, ptr.To("slow"), classOf("named", ptr.To("slow")))
	require.Equal(t, ptr.To(""), classOf("without", ptr.To("")))
}
