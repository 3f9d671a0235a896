package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

// What a container may be told about its pod and itself through environment variables and files.
var (
	envFieldPaths = []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
	fileFieldPaths = []string{
		"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
	}
	// fieldLabels are all paths that any use takes.
	fieldLabels = []string{
		"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
		"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName", "status.phase",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs", "spec.host",
	}
	// resourcePaths are the resources of a container that it may be told of.
	resourcePaths = []string{
		"limits.cpu", "limits.ephemeral-storage", "limits.memory",
		"requests.cpu", "requests.ephemeral-storage", "requests.memory",
	}
)

func validateEnv(path *field.Path, vars []corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList
	for i, v := range vars {
		at := path.Index(i)
		if v.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else {
			errs = append(errs, validation.Invalid(at.Child("name"), v.Name, utilvalidation.IsRelaxedEnvVarName(v.Name))...)
		}
		if v.ValueFrom != nil {
			errs = append(errs, validateValueFrom(at.Child("valueFrom"), v)...)
		}
	}
	return errs
}

// validateValueFrom asks for exactly one source, and none beside a value.
func validateValueFrom(path *field.Path, v corev1.EnvVar) field.ErrorList {
	var errs field.ErrorList
	from, sources := v.ValueFrom, 0
	if from.FieldRef != nil {
		sources++
		errs = append(errs, validateFieldRef(path.Child("fieldRef"), from.FieldRef, envFieldPaths)...)
	}
	if from.ResourceFieldRef != nil {
		sources++
		errs = append(errs, validateResourceFieldRef(path.Child("resourceFieldRef"), from.ResourceFieldRef, false)...)
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(path.Child("configMapKeyRef"), ref.Name, ref.Key)...)
	}
	if ref := from.SecretKeyRef; ref != nil {
		sources++
		errs = append(errs, validateKeyRef(path.Child("secretKeyRef"), ref.Name, ref.Key)...)
	}
	if ref := from.FileKeyRef; ref != nil {
		sources++
		errs = append(errs, validateFileKeyRef(path.Child("fileKeyRef"), ref)...)
	}
	switch {
	case sources == 0:
		errs = append(errs, field.Invalid(path, "",
			"must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case v.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

// validateFileKeyRef checks the variable of a file that another container of the pod has written.
func validateFileKeyRef(path *field.Path, ref *corev1.FileKeySelector) field.ErrorList {
	errs := validation.Required(path.Child("key"), ref.Key)
	if ref.Key != "" {
		errs = append(errs, validation.Invalid(path.Child("key"), ref.Key, utilvalidation.IsRelaxedEnvVarName(ref.Key))...)
	}
	errs = append(errs, validation.Required(path.Child("volumeName"), ref.VolumeName)...)
	if ref.VolumeName != "" {
		errs = append(errs, validation.DNSLabel(path.Child("volumeName"), ref.VolumeName)...)
	}
	errs = append(errs, validation.Required(path.Child("path"), ref.Path)...)
	return append(errs, volumes.ValidateNoBacksteps(path.Child("path"), ref.Path)...)
}

// validateFileRefs asks the files that variables come from to be in empty directories of the pod.
func validateFileRefs(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	sources := map[string]*corev1.VolumeSource{}
	for i := range spec.Volumes {
		sources[spec.Volumes[i].Name] = &spec.Volumes[i].VolumeSource
	}
	var errs field.ErrorList
	eachAt(path, spec, func(at *field.Path, c *corev1.Container) {
		for i, v := range c.Env {
			if v.ValueFrom == nil || v.ValueFrom.FileKeyRef == nil {
				continue
			}
			at, name := at.Child("env").Index(i).Child("valueFrom", "fileKeyRef", "volumeName"), v.ValueFrom.FileKeyRef.VolumeName
			if source := sources[name]; source == nil {
				errs = append(errs, field.NotFound(at, name))
			} else if source.EmptyDir == nil {
				errs = append(errs, field.Invalid(at, name, "referenced volume must be of type emptyDir"))
			}
		}
	})
	return errs
}

func validateKeyRef(path *field.Path, name, key string) field.ErrorList {
	errs := validation.DNSSubdomain(path.Child("name"), name)
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, validation.Invalid(path.Child("key"), key, utilvalidation.IsConfigMapKey(key))...)
}

// validateFieldRef takes one of the paths, or one label or annotation by its key: metadata.labels['app'].
func validateFieldRef(path *field.Path, ref *corev1.ObjectFieldSelector, allowed []string) field.ErrorList {
	if ref.APIVersion == "" {
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	}
	if ref.FieldPath == "" {
		return field.ErrorList{field.Required(path.Child("fieldPath"), "")}
	}
	if wrong := unknownField(ref); wrong != "" {
		return field.ErrorList{field.Invalid(path.Child("fieldPath"), ref.FieldPath, "error converting fieldPath: "+wrong)}
	}
	if name, key, ok := subscript(ref.FieldPath); ok {
		if name == "metadata.annotations" {
			key = strings.ToLower(key)
		}
		return validation.QualifiedName(path, key)
	}
	if !slices.Contains(allowed, ref.FieldPath) {
		return field.ErrorList{field.NotSupported(path.Child("fieldPath"), ref.FieldPath, allowed)}
	}
	return nil
}

// unknownField says why there is no such field in any use; empty is that there is one.
func unknownField(ref *corev1.ObjectFieldSelector) string {
	if ref.APIVersion != "v1" {
		return fmt.Sprintf("unsupported pod version: %s", ref.APIVersion)
	}
	if name, _, ok := subscript(ref.FieldPath); ok {
		if name != "metadata.annotations" && name != "metadata.labels" {
			return fmt.Sprintf("field label does not support subscript: %s", ref.FieldPath)
		}
		return ""
	}
	if !slices.Contains(fieldLabels, ref.FieldPath) {
		return fmt.Sprintf("field label not supported: %s", ref.FieldPath)
	}
	return ""
}

// subscript takes "metadata.labels['app']" apart.
func subscript(s string) (name, key string, ok bool) {
	rest, ok := strings.CutSuffix(s, "']")
	if !ok {
		return s, "", false
	}
	return strings.Cut(rest, "['")
}

func validateResourceFieldRef(path *field.Path, ref *corev1.ResourceFieldSelector, inFile bool) field.ErrorList {
	switch {
	case inFile && ref.ContainerName == "":
		return field.ErrorList{field.Required(path.Child("containerName"), "")}
	case ref.Resource == "":
		return field.ErrorList{field.Required(path.Child("resource"), "")}
	case strings.HasPrefix(ref.Resource, "limits.hugepages-"), strings.HasPrefix(ref.Resource, "requests.hugepages-"):
		return nil
	case !slices.Contains(resourcePaths, ref.Resource):
		return field.ErrorList{field.NotSupported(path.Child("resource"), ref.Resource, resourcePaths)}
	}
	return validateDivisor(path, ref)
}

// validateDivisor takes the units that a resource can be told in: cores or thousandths for cpu, bytes and their
// multiples for the others.
func validateDivisor(path *field.Path, ref *corev1.ResourceFieldSelector) field.ErrorList {
	if ref.Divisor.IsZero() {
		return nil
	}
	units, message := strings.Fields("1 1k 1M 1G 1T 1P 1E 1Ki 1Mi 1Gi 1Ti 1Pi 1Ei"), "only divisor's values 1, 1k, 1M, "+
		"1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource"
	switch {
	case strings.HasSuffix(ref.Resource, ".cpu"):
		units, message = []string{"1m", "1"}, "only divisor's values 1m and 1 are supported with the cpu resource"
	case strings.HasSuffix(ref.Resource, ".ephemeral-storage"):
		message = strings.Replace(message, "the memory", "the local ephemeral storage", 1)
	}
	if !slices.Contains(units, ref.Divisor.String()) {
		return field.ErrorList{field.Invalid(path.Child("divisor"), ref.Resource, message)}
	}
	return nil
}

func validateEnvFrom(path *field.Path, sources []corev1.EnvFromSource) field.ErrorList {
	var errs field.ErrorList
	for i, s := range sources {
		at := path.Index(i)
		if s.Prefix != "" {
			errs = append(errs, validation.Invalid(at.Child("prefix"), s.Prefix, utilvalidation.IsRelaxedEnvVarName(s.Prefix))...)
		}
		if s.ConfigMapRef != nil {
			errs = append(errs, namedRef(at.Child("configMapRef", "name"), s.ConfigMapRef.Name)...)
		}
		if s.SecretRef != nil {
			errs = append(errs, namedRef(at.Child("secretRef", "name"), s.SecretRef.Name)...)
		}
		switch {
		case s.ConfigMapRef == nil && s.SecretRef == nil:
			errs = append(errs, field.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
		case s.ConfigMapRef != nil && s.SecretRef != nil:
			errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}

// namedRef checks the name of another object that has to be given. Upstream takes it for the beginning of one, so that it may end in a dash.
func namedRef(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return validation.Invalid(path, name, apivalidation.NameIsDNSSubdomain(name, true))
}
