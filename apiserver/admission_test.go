package apiserver

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/admission"
)

// What a plugin changes gets its defaults and is validated; what belongs to the server a plugin can't set; what validates sees
// the object as it is written.
func TestAdmissionInTwoPhases(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	var seen *corev1.Pod
	var asked *admission.Request
	ts.admission = append(ts.admission, admission.Plugin{
		Name: "Sidecar",
		Mutate: func(_ context.Context, r *admission.Request) error {
			pod, ok := r.Object.(*corev1.Pod)
			if !ok || r.Subresource != "" || r.Verb != "create" {
				return nil
			}
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "sidecar", Image: pod.Annotations["sidecar"]})
			pod.Status.Phase = corev1.PodSucceeded
			return nil
		},
		Validate: func(_ context.Context, r *admission.Request) error {
			if pod, ok := r.Object.(*corev1.Pod); ok {
				seen, asked = pod.DeepCopy(), r
				r.Note("sidecar", "looked")
				r.Warn("looked")
			}
			return nil
		},
	})
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{"sidecar": "proxy"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
	}
	made, err := ts.client.CoreV1().Pods("shop").Create(t.Context(), pod, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldManager: "me"})
	require.NoError(t, err)
	require.Equal(t, corev1.PullAlways, made.Spec.Containers[1].ImagePullPolicy, "defaults ran once more")
	require.Equal(t, corev1.PodPending, made.Status.Phase)
	require.Equal(t, made.Spec, seen.Spec)
	require.True(t, asked.DryRun)
	require.Equal(t, "me", asked.Options.(*metav1.CreateOptions).FieldManager)
	require.Equal(t, schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, asked.Kind)
	require.Equal(t, "kubernetes-admin", asked.User.Name)

	pod.Annotations = nil // the plugin adds a container without an image
	_, err = ts.client.CoreV1().Pods("shop").Create(t.Context(), pod, metav1.CreateOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "spec.containers[1].image: Required value")
}

// A plugin that mutates does so in each attempt of an update, on the object of that attempt.
func TestAdmissionMutatesEachAttempt(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	_, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	attempts := 0
	ts.admission = append(ts.admission, admission.Plugin{
		Name: "Racer",
		Mutate: func(_ context.Context, r *admission.Request) error {
			c, ok := r.Object.(*corev1.ConfigMap)
			if !ok || c.Data["mine"] == "" {
				return nil
			}
			attempts++
			c.Data["mine"] += "!"
			if attempts == 1 { // somebody else is faster
				_, err := maps.Patch(t.Context(), "c", types.MergePatchType, []byte(`{"data":{"theirs":"x"}}`), metav1.PatchOptions{})
				return err
			}
			return nil
		},
	})
	got, err := maps.Patch(t.Context(), "c", types.MergePatchType, []byte(`{"data":{"mine":"y"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, attempts)
	require.Equal(t, map[string]string{"mine": "y!", "theirs": "x"}, got.Data)
}

// A pod gets what its RuntimeClass says of the pods that run so, and can't say otherwise.
func TestRuntimeClassOfAPod(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	_, err := ts.client.NodeV1().RuntimeClasses().Create(t.Context(), &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: "gvisor"}, Handler: "runsc",
		Overhead:   &nodev1.Overhead{PodFixed: corev1.ResourceList{"cpu": resource.MustParse("250m")}},
		Scheduling: &nodev1.Scheduling{NodeSelector: map[string]string{"sandbox": "yes"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	make := func(class string, change func(*corev1.PodSpec)) (*corev1.Pod, error) {
		pod := podOf("")
		pod.GenerateName = "web-"
		if class != "" {
			pod.Spec.RuntimeClassName = &class
		}
		change(&pod.Spec)
		return ts.client.CoreV1().Pods("shop").Create(t.Context(), pod, metav1.CreateOptions{})
	}
	overhead := corev1.ResourceList{"cpu": resource.MustParse("1")}
	pod, err := make("gvisor", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} })
	require.NoError(t, err)
	require.Equal(t, map[string]string{"disk": "ssd", "sandbox": "yes"}, pod.Spec.NodeSelector)
	require.Equal(t, "250m", pod.Spec.Overhead.Cpu().String())
	for _, c := range []struct {
		class, message string
		change         func(*corev1.PodSpec)
	}{
		{"kata", `pod rejected: RuntimeClass "kata" not found`, func(*corev1.PodSpec) {}},
		{"gvisor", "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
			func(s *corev1.PodSpec) { s.Overhead = overhead }},
		{"", "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
			func(s *corev1.PodSpec) { s.Overhead = overhead }},
		{"gvisor", "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no",
			func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"sandbox": "no"} }},
	} {
		_, err := make(c.class, c.change)
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, c.message)
	}
}

// Devices that others use are claimed where the namespace is marked for it
// (https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#admin-access).
func TestAdminAccessToDevices(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	request := resourcev1.DeviceRequest{Name: "all", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: "gpu", AdminAccess: ptr.To(true)}}
	claim := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: "look"}}
	claim.Spec.Devices.Requests = []resourcev1.DeviceRequest{request}
	template := &resourcev1.ResourceClaimTemplate{ObjectMeta: metav1.ObjectMeta{Name: "look"}}
	template.Spec.Spec = claim.Spec
	claims, templates := ts.client.ResourceV1().ResourceClaims("shop"), ts.client.ResourceV1().ResourceClaimTemplates("shop")
	const refused = "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the " +
		"`resource.kubernetes.io/admin-access: true` label on the containing namespace"
	_, err := claims.Create(t.Context(), claim, metav1.CreateOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, refused)
	_, err = templates.Create(t.Context(), template, metav1.CreateOptions{})
	require.ErrorContains(t, err, refused)

	// Nor is it given to who has not asked for it.
	claim.Spec.Devices.Requests[0].Exactly.AdminAccess = nil
	made, err := claims.Create(t.Context(), claim, metav1.CreateOptions{})
	require.NoError(t, err)
	result := resourcev1.DeviceRequestAllocationResult{Request: "all", Driver: "gpu.example.com", Pool: "p", Device: "d", AdminAccess: ptr.To(true)}
	made.Status.Allocation = &resourcev1.AllocationResult{}
	made.Status.Allocation.Devices.Results = []resourcev1.DeviceRequestAllocationResult{result}
	_, err = claims.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.ErrorContains(t, err, "status.allocation.devices.results[0].adminAccess: Forbidden: admin access")

	namespaces := ts.client.CoreV1().Namespaces()
	shop, err := namespaces.Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	shop.Labels[resourcev1.DRAAdminNamespaceLabelKey] = "true"
	_, err = namespaces.Update(t.Context(), shop, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = templates.Create(t.Context(), template, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = claims.UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
}
