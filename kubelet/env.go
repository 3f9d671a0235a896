package kubelet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"minik.dev/kubelet/runtime"
)

// references finds the objects of a pod's namespace that its spec names. A missing one is a NotFound error.
type references struct {
	configMap func(name string) (*corev1.ConfigMap, error)
	secret    func(name string) (*corev1.Secret, error)
	// services are what serviceEnv tells of; nil tells of none.
	services []corev1.Service
}

// resolveEnv is the container's environment: envFrom in order, then env in order; a later value replaces an earlier one
// of the same name, and $(NAME) stands for a value defined before. A missing ConfigMap, Secret or key is an error in
// upstream's words, unless it is optional. The variables of services come last, and give way to any of the same name.
func resolveEnv(pod *corev1.Pod, c *corev1.Container, refs references, podIPs, hostIPs []string,
	allocatable corev1.ResourceList) ([]runtime.EnvVar, error) {
	services := serviceEnv(pod, refs.services)
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

func (e *environment) addAll(from corev1.EnvFromSource, refs references) error {
	switch {
	case from.ConfigMapRef != nil:
		m, err := refs.configMap(from.ConfigMapRef.Name)
		if err != nil {
			return missing(err, from.ConfigMapRef.Optional)
		}
		for _, key := range slices.Sorted(maps.Keys(m.Data)) {
			e.set(from.Prefix+key, m.Data[key])
		}
	case from.SecretRef != nil:
		s, err := refs.secret(from.SecretRef.Name)
		if err != nil {
			return missing(err, from.SecretRef.Optional)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Data)) {
			e.set(from.Prefix+key, string(s.Data[key]))
		}
	}
	return nil
}

// valueFrom is the value of one variable; ok is false where an optional source is missing.
func valueFrom(pod *corev1.Pod, c *corev1.Container, from *corev1.EnvVarSource, refs references,
	podIPs, hostIPs []string, allocatable corev1.ResourceList) (value string, ok bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = field(pod, from.FieldRef.FieldPath, podIPs, hostIPs)
		return value, err == nil, err
	case from.ResourceFieldRef != nil:
		value, err = resourceField(pod, c, from.ResourceFieldRef, allocatable)
		return value, err == nil, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		m, err := refs.configMap(ref.Name)
		if err != nil {
			return "", false, missing(err, ref.Optional)
		}
		if value, ok = m.Data[ref.Key]; !ok && !optional(ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, pod.Namespace, ref.Name)
		}
		return value, ok, nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		s, err := refs.secret(ref.Name)
		if err != nil {
			return "", false, missing(err, ref.Optional)
		}
		data, ok := s.Data[ref.Key]
		if !ok && !optional(ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, pod.Namespace, ref.Name)
		}
		return string(data), ok, nil
	}
	return "", false, fmt.Errorf("a source of an environment variable that is none of fieldRef, resourceFieldRef, " +
		"configMapKeyRef and secretKeyRef is not supported")
}

func optional(b *bool) bool { return b != nil && *b }

// missing is nil for an object that may be missing and is.
func missing(err error, may *bool) error {
	if optional(may) && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// field is a pod's field as the downward API names it.
func field(pod *corev1.Pod, path string, podIPs, hostIPs []string) (string, error) {
	if name, key, ok := strings.Cut(path, "['"); ok && strings.HasSuffix(key, "']") {
		switch key = strings.TrimSuffix(key, "']"); name {
		case "metadata.labels":
			return pod.Labels[key], nil
		case "metadata.annotations":
			return pod.Annotations[key], nil
		}
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return firstOf(hostIPs), nil
	case "status.hostIPs":
		return strings.Join(hostIPs, ","), nil
	case "status.podIP":
		return firstOf(podIPs), nil
	case "status.podIPs":
		return strings.Join(podIPs, ","), nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %v", path)
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// resourceField is a container's request or limit in units of the divisor, rounded up. A limit that is not set is what
// the node can give.
func resourceField(pod *corev1.Pod, c *corev1.Container, ref *corev1.ResourceFieldSelector,
	allocatable corev1.ResourceList) (string, error) {
	if ref.ContainerName != "" {
		c = containerOf(pod, ref.ContainerName)
	}
	if c == nil {
		return "", fmt.Errorf("container %s not found", ref.ContainerName)
	}
	which, name, _ := strings.Cut(ref.Resource, ".")
	var q resource.Quantity
	switch which {
	case "requests":
		q = c.Resources.Requests[corev1.ResourceName(name)]
	case "limits":
		limit, ok := c.Resources.Limits[corev1.ResourceName(name)]
		if !ok {
			limit = allocatable[corev1.ResourceName(name)]
		}
		q = limit
	default:
		return "", fmt.Errorf("unsupported container resource : %v", ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == string(corev1.ResourceCPU) {
		return strconv.FormatInt(ceilDiv(q.MilliValue(), divisor.MilliValue()), 10), nil
	}
	return strconv.FormatInt(ceilDiv(q.Value(), divisor.Value()), 10), nil
}

func ceilDiv(a, b int64) int64 {
	if b <= 0 {
		return a
	}
	return (a + b - 1) / b
}

// expand replaces $(NAME) by the variable's value where there is one, and $$ by $, so that $$(NAME) stays literal.
func expand(s string, values map[string]string) string {
	return expandBy(s, func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}

// expandBy is expand with values that are looked up.
func expandBy(s string, lookup func(name string) (string, bool)) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i:], ')')
			value, ok := "", false
			if end > 0 {
				value, ok = lookup(s[i+2 : i+end])
			}
			if !ok {
				out.WriteByte('$')
				continue
			}
			out.WriteString(value)
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// expandAll is expand for a command's words.
func expandAll(words []string, env []runtime.EnvVar) []string {
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	var out []string
	for _, word := range words {
		out = append(out, expand(word, values))
	}
	return out
}
