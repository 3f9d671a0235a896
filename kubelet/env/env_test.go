package env

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

func named(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

// shopReferences has the ConfigMap and the Secret "shop" and nothing else.
func shopReferences() References {
	gone := func(resource, name string) error {
		return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	return References{
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			if name != "shop" {
				return nil, gone("configmap", name)
			}
			return &corev1.ConfigMap{Data: map[string]string{"colour": "green", "size": "L"}}, nil
		},
		Secret: func(name string) (*corev1.Secret, error) {
			if name != "shop" {
				return nil, gone("secret", name)
			}
			return &corev1.Secret{Data: map[string][]byte{"key": []byte("abc")}}, nil
		},
	}
}

func resolve(c corev1.Container) (map[string]string, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u1",
		Labels: map[string]string{"app": "shop"}},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{c}}}
	env, err := Resolve(pod, &c, shopReferences(), []string{"10.244.1.2"}, []string{"10.244.1.1"},
		corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")})
	out := map[string]string{}
	for _, v := range env {
		out[v.Name] = v.Value
	}
	return out, err
}

// https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
func TestEnvironment(t *testing.T) {
	field := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
	}
	amount := func(resource, divisor string) *corev1.EnvVarSource {
		ref := &corev1.ResourceFieldSelector{Resource: resource}
		ref.Divisor.Set(0)
		if divisor != "" {
			ref.Divisor = mustParse(divisor)
		}
		return &corev1.EnvVarSource{ResourceFieldRef: ref}
	}
	env, err := resolve(corev1.Container{
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}},
		EnvFrom: []corev1.EnvFromSource{
			{Prefix: "SHOP_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named("shop")}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("none"), Optional: ptr.To(true)}},
		},
		Env: []corev1.EnvVar{
			{Name: "PLAIN", Value: "a"},
			{Name: "REFERS", Value: "$(PLAIN)-$(SHOP_colour)-$(UNKNOWN)-$$(PLAIN)"},
			{Name: "SHOP_size", Value: "XL"},
			{Name: "KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: named("shop"), Key: "key"}}},
			{Name: "ABSENT", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: named("shop"), Key: "none", Optional: ptr.To(true)}}},
			{Name: "POD", ValueFrom: field("metadata.name")},
			{Name: "APP", ValueFrom: field("metadata.labels['app']")},
			{Name: "IP", ValueFrom: field("status.podIP")},
			{Name: "HOST", ValueFrom: field("status.hostIP")},
			{Name: "CPU", ValueFrom: amount("requests.cpu", "")},
			{Name: "MILLI", ValueFrom: amount("requests.cpu", "1m")},
			{Name: "MEMORY", ValueFrom: amount("limits.memory", "1Mi")},
		},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"SHOP_colour": "green", "SHOP_size": "XL", "PLAIN": "a",
		"REFERS": "a-green-$(UNKNOWN)-$(PLAIN)", "KEY": "abc", "POD": "web", "APP": "shop", "IP": "10.244.1.2",
		"HOST": "10.244.1.1", "CPU": "1", "MILLI": "250", "MEMORY": "8192"}, env)
}

func mustParse(s string) resource.Quantity { return resource.MustParse(s) }

func TestEnvironmentThatCannotBeMade(t *testing.T) {
	for says, source := range map[string]*corev1.EnvVarSource{
		`configmap "none" not found`: {ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: named("none"), Key: "colour"}},
		"couldn't find key none in ConfigMap default/shop": {ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: named("shop"), Key: "none"}},
		"couldn't find key none in Secret default/shop": {SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: named("shop"), Key: "none"}},
		"unsupported fieldPath: spec.colour":      {FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.colour"}},
		"unsupported container resource : weight": {ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "weight"}},
	} {
		_, err := resolve(corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: source}}})
		require.EqualError(t, err, says)
	}
}
