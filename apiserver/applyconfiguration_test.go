package apiserver

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applyautoscalingv1 "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	applyautoscalingv2 "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
)

// Typed apply: each field manager says what it wants and no more; a field that another one owns is a conflict, unless it is
// forced; what a manager has applied can be had back from the object, to be changed and applied again.
func TestApplyConfigurations(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	deployments := ts.client.AppsV1().Deployments("shop")
	labels := map[string]string{"app": "web"}
	container := applycorev1.Container().WithName("main").WithImage("image:1")
	web := applyappsv1.Deployment("web", "shop").WithSpec(applyappsv1.DeploymentSpec().WithReplicas(2).
		WithSelector(applymetav1.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(applycorev1.PodTemplateSpec().WithLabels(labels).
			WithSpec(applycorev1.PodSpec().WithContainers(container))))
	made, err := deployments.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	require.EqualValues(t, 2, *made.Spec.Replicas)
	again, err := deployments.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	require.Equal(t, made.ResourceVersion, again.ResourceVersion, "nothing changed, nothing is written")

	more := applyappsv1.Deployment("web", "shop").WithSpec(applyappsv1.DeploymentSpec().WithReplicas(5))
	_, err = deployments.Apply(t.Context(), more, metav1.ApplyOptions{FieldManager: "scaler"})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, `conflict with "owner": .spec.replicas`)
	scaled, err := deployments.Apply(t.Context(), more, metav1.ApplyOptions{FieldManager: "scaler", Force: true})
	require.NoError(t, err)
	require.EqualValues(t, 5, *scaled.Spec.Replicas)

	mine, err := applyappsv1.ExtractDeployment(scaled, "owner")
	require.NoError(t, err)
	require.Nil(t, mine.Spec.Replicas, "the scaler has them now")
	require.Equal(t, "image:1", *mine.Spec.Template.Spec.Containers[0].Image)
	mine.Spec.Template.Spec.Containers[0].WithImage("image:2").WithEnv(applycorev1.EnvVar().WithName("A").WithValue("1"))
	changed, err := deployments.Apply(t.Context(), mine, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	require.EqualValues(t, 5, *changed.Spec.Replicas)
	require.Equal(t, "image:2", changed.Spec.Template.Spec.Containers[0].Image)
	require.Equal(t, []corev1.EnvVar{{Name: "A", Value: "1"}}, changed.Spec.Template.Spec.Containers[0].Env)

	status := applyappsv1.Deployment("web", "shop").WithStatus(applyappsv1.DeploymentStatus().WithReplicas(5))
	reported, err := deployments.ApplyStatus(t.Context(), status, metav1.ApplyOptions{FieldManager: "reporter"})
	require.NoError(t, err)
	require.EqualValues(t, 5, reported.Status.Replicas)
	require.Equal(t, changed.Spec, reported.Spec)
}

// Replicas that are applied by way of the scale subresource are owned on the object, and the other way round.
func TestAScaleIsApplied(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	deployments := ts.client.AppsV1().Deployments("shop")
	labels := map[string]string{"app": "web"}
	web := applyappsv1.Deployment("web", "shop").WithSpec(applyappsv1.DeploymentSpec().WithReplicas(2).
		WithSelector(applymetav1.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(applycorev1.PodTemplateSpec().WithLabels(labels).
			WithSpec(applycorev1.PodSpec().WithContainers(applycorev1.Container().WithName("main").WithImage("image:1")))))
	_, err := deployments.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	more := applyautoscalingv1.Scale().WithName("web").WithSpec(applyautoscalingv1.ScaleSpec().WithReplicas(5))
	_, err = deployments.ApplyScale(t.Context(), "web", more, metav1.ApplyOptions{FieldManager: "scaler"})
	require.True(t, apierrors.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, `conflict with "owner"`)
	scale, err := deployments.ApplyScale(t.Context(), "web", more, metav1.ApplyOptions{FieldManager: "scaler", Force: true})
	require.NoError(t, err)
	require.EqualValues(t, 5, scale.Spec.Replicas)
	_, err = deployments.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.True(t, apierrors.IsConflict(err), "the scaler has them now: %v", err)
	require.ErrorContains(t, err, `conflict with "scaler" with subresource "scale"`)
}

// A kind of two versions is applied in both, and each knows what was applied in the other.
func TestAFurtherVersionIsApplied(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	old := ts.client.AutoscalingV1().HorizontalPodAutoscalers("shop")
	web := applyautoscalingv1.HorizontalPodAutoscaler("web", "shop").WithSpec(applyautoscalingv1.HorizontalPodAutoscalerSpec().
		WithMaxReplicas(5).WithTargetCPUUtilizationPercentage(50).WithScaleTargetRef(applyautoscalingv1.
		CrossVersionObjectReference().WithAPIVersion("apps/v1").WithKind("Deployment").WithName("web")))
	made, err := old.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	require.Equal(t, "autoscaling/v1", made.ManagedFields[0].APIVersion)
	require.EqualValues(t, 1, *made.Spec.MinReplicas, "the default")
	again, err := old.Apply(t.Context(), web, metav1.ApplyOptions{FieldManager: "owner"})
	require.NoError(t, err)
	require.Equal(t, made.ResourceVersion, again.ResourceVersion, "nothing changed, nothing is written")

	more := applyautoscalingv2.HorizontalPodAutoscaler("web", "shop").WithSpec(applyautoscalingv2.
		HorizontalPodAutoscalerSpec().WithMaxReplicas(7))
	autoscalers := ts.client.AutoscalingV2().HorizontalPodAutoscalers("shop")
	_, err = autoscalers.Apply(t.Context(), more, metav1.ApplyOptions{FieldManager: "scaler"})
	require.ErrorContains(t, err, `conflict with "owner": .spec.maxReplicas`)
	changed, err := autoscalers.Apply(t.Context(), more, metav1.ApplyOptions{FieldManager: "scaler", Force: true})
	require.NoError(t, err)
	require.EqualValues(t, 7, changed.Spec.MaxReplicas)
	require.EqualValues(t, 50, *changed.Spec.Metrics[0].Resource.Target.AverageUtilization)
}
