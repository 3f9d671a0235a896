package env

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/runtime"
)

// Resolve is the container's environment: envFrom in order, then env in order; a later value replaces an earlier one
// of the same name, and $(NAME) stands for a value defined before. A missing ConfigMap, Secret or key is an error in
// upstream's words, unless it is optional. The variables of services come last, and give way to any of the same name.
func Resolve(pod *corev1.Pod, c *corev1.Container, refs References, podIPs, hostIPs []string,
	allocatable corev1.ResourceList) ([]runtime.EnvVar, error) {
	services := serviceEnv(pod, refs.Services)
	env := &environment{values: maps.Clone(services)}
	for _, from := range c.EnvFrom {
		if err := env.addAll(from, refs); err != nil {
			return nil, &runtime.ConfigError{Err: err}
		}
	}
	for _, v := range c.Env {
		if v.ValueFrom == nil {
			env.set(v.Name, expand(v.Value, env.values))
			continue
		}
		value, ok, err := valueFrom(pod, c, v.ValueFrom, refs, podIPs, hostIPs, allocatable)
		if err != nil {
			return nil, &runtime.ConfigError{Err: err}
		}
		if ok {
			env.set(v.Name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if !slices.Contains(env.order, name) {
			env.order = append(env.order, name)
		}
	}
	var out []runtime.EnvVar
	for _, name := range env.order {
		out = append(out, runtime.EnvVar{Name: name, Value: env.values[name]})
	}
	return out, nil
}

// environment keeps values in the order in which their names were first defined. values also has those of services, which
// nothing has defined yet.
type environment struct {
	order  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if !slices.Contains(e.order, name) {
		e.order = append(e.order, name)
	}
	e.values[name] = value
}

func (e *environment) addAll(from corev1.EnvFromSource, refs References) error {
	switch {
	case from.ConfigMapRef != nil:
		m, err := refs.ConfigMap(from.ConfigMapRef.Name)
		if err != nil {
			return Missing(err, from.ConfigMapRef.Optional)
		}
		for _, key := range slices.Sorted(maps.Keys(m.Data)) {
			e.set(from.Prefix+key, m.Data[key])
		}
	case from.SecretRef != nil:
		s, err := refs.Secret(from.SecretRef.Name)
		if err != nil {
			return Missing(err, from.SecretRef.Optional)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Data)) {
			e.set(from.Prefix+key, string(s.Data[key]))
		}
	}
	return nil
}

// valueFrom is the value of one variable; ok is false where an optional source is missing.
func valueFrom(pod *corev1.Pod, c *corev1.Container, from *corev1.EnvVarSource, refs References,
	podIPs, hostIPs []string, allocatable corev1.ResourceList) (value string, ok bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = Field(pod, from.FieldRef.FieldPath, podIPs, hostIPs)
		return value, err == nil, err
	case from.ResourceFieldRef != nil:
		value, err = ResourceField(pod, c, from.ResourceFieldRef, allocatable)
		return value, err == nil, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		m, err := refs.ConfigMap(ref.Name)
		if err != nil {
			return "", false, Missing(err, ref.Optional)
		}
		if value, ok = m.Data[ref.Key]; !ok && !ptr.Deref(ref.Optional, false) {
			return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, pod.Namespace, ref.Name)
		}
		return value, ok, nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		s, err := refs.Secret(ref.Name)
		if err != nil {
			return "", false, Missing(err, ref.Optional)
		}
		data, ok := s.Data[ref.Key]
		if !ok && !ptr.Deref(ref.Optional, false) {
			return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, pod.Namespace, ref.Name)
		}
		return string(data), ok, nil
	}
	return "", false, fmt.Errorf("a source of an environment variable that is none of fieldRef, resourceFieldRef, " +
		"configMapKeyRef and secretKeyRef is not supported")
}
