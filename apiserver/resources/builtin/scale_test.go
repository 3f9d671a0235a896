package builtin

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
)

func subresource(t *testing.T, plural, name string) *resources.Subresource {
	all := All()
	i := slices.IndexFunc(all, func(row *resources.Resource) bool { return row.Plural == plural })
	require.GreaterOrEqual(t, i, 0, "no such resource")
	sub, ok := all[i].Subresource(name)
	require.True(t, ok)
	return sub
}

// https://kubernetes.io/docs/reference/kubernetes-api/autoscaling-resources/scale-v1/
func TestScale(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	meta := metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u1", ResourceVersion: "7"}
	for plural, obj := range map[string]resources.Object{
		"deployments": &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](3), Selector: selector}, Status: appsv1.DeploymentStatus{Replicas: 2}},
		"replicasets": &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{
			Replicas: ptr.To[int32](3), Selector: selector}, Status: appsv1.ReplicaSetStatus{Replicas: 2}},
		"statefulsets": &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To[int32](3), Selector: selector}, Status: appsv1.StatefulSetStatus{Replicas: 2}},
		"replicationcontrollers": &corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{
			Replicas: ptr.To[int32](3), Selector: selector.MatchLabels},
			Status: corev1.ReplicationControllerStatus{Replicas: 2}},
	} {
		t.Run(plural, func(t *testing.T) {
			sub := subresource(t, plural, "scale")
			got, err := sub.Get(obj)
			require.NoError(t, err)
			s := got.(*autoscalingv1.Scale)
			require.Equal(t, int32(3), s.Spec.Replicas)
			require.Equal(t, autoscalingv1.ScaleStatus{Replicas: 2, Selector: "app=web"}, s.Status)

			s.Spec.Replicas = 5
			require.NoError(t, sub.Apply(obj, s))
			got, err = sub.Get(obj)
			require.NoError(t, err)
			require.Equal(t, int32(5), got.(*autoscalingv1.Scale).Spec.Replicas)

			s.ResourceVersion = "6"
			require.True(t, apierrors.IsConflict(sub.Apply(obj, s)), "read before the object changed")
			s.ResourceVersion = ""
			require.NoError(t, sub.Apply(obj, s), "without a revision it is set whatever it was")
			require.True(t, apierrors.IsBadRequest(sub.Apply(obj, &corev1.Pod{})))
		})
	}
}
