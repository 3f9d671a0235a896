package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// A Warning header answers what is legal, but not what its author will have meant: what upstream warns of
// (pkg/api/pod/warnings.go), and one line for each field that this cluster does not act on.

// gap is one field of a pod that minik stores and shows, and does nothing with.
type gap struct {
	// path is the field's, below the pod or the template.
	path string
	used func(*corev1.PodSpec) bool
	// effect ends the sentence "… is not honoured by minik yet: ".
	effect string
}

// gaps is the list to take a row from when its field is honoured.
var gaps = []gap{
	{"spec.resourceClaims", func(s *corev1.PodSpec) bool { return len(s.ResourceClaims) > 0 },
		"the pod gets no device"},
	{"spec.resources", func(s *corev1.PodSpec) bool { return s.Resources != nil },
		"only the containers' own resources count"},
	{"spec.runtimeClassName", func(s *corev1.PodSpec) bool { return s.RuntimeClassName != nil },
		"the node's only runtime runs the pod, whatever the handler of the class"},
	{"spec.os", func(s *corev1.PodSpec) bool { return s.OS != nil && s.OS.Name != corev1.Linux },
		"every node runs linux"},
	{"spec.hostUsers", func(s *corev1.PodSpec) bool { return s.HostUsers != nil && !*s.HostUsers },
		"the pod shares the users of its node"},
	{"a type of spec.volumes", func(s *corev1.PodSpec) bool { return slices.ContainsFunc(s.Volumes, unmounted) },
		"nodes mount configMap, secret, projected, downwardAPI, emptyDir and hostPath, and the pod waits for the others"},
	{"spec.containers[*].volumeDevices", anyContainer(func(c *corev1.Container) bool { return len(c.VolumeDevices) > 0 }),
		"containers run without the device"},
	{"securityContext.supplementalGroupsPolicy Strict", func(s *corev1.PodSpec) bool {
		p := s.SecurityContext
		return p != nil && p.SupplementalGroupsPolicy != nil && *p.SupplementalGroupsPolicy == corev1.SupplementalGroupsPolicyStrict
	}, "a container's user is also in the groups that the image puts it in"},
	{"securityContext.{seLinuxOptions,seLinuxChangePolicy,windowsOptions}, or procMount Unmasked,", func(s *corev1.PodSpec) bool {
		p := s.SecurityContext
		found := p != nil && (p.SELinuxOptions != nil || p.SELinuxChangePolicy != nil || p.WindowsOptions != nil)
		ForEachContainer(s, func(c *corev1.Container) {
			o := c.SecurityContext
			found = found || o != nil && (o.SELinuxOptions != nil || o.WindowsOptions != nil ||
				o.ProcMount != nil && *o.ProcMount != corev1.DefaultProcMount)
		})
		return found
	}, "containers run without them"},
}

// unmounted tells volumes that no node can mount.
func unmounted(v corev1.Volume) bool {
	mounted := v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil ||
		v.EmptyDir != nil || v.HostPath != nil
	return !mounted
}

func anyContainer(used func(*corev1.Container) bool) func(*corev1.PodSpec) bool {
	return func(spec *corev1.PodSpec) bool {
		found := false
		ForEachContainer(spec, func(c *corev1.Container) { found = found || used(c) })
		return found
	}
}

// WarnPod warns when a pod is made; of the many updates of pods few come from people.
func WarnPod(pod, old *corev1.Pod) []string {
	if old != nil {
		return nil
	}
	var warnings []string
	if wrong := utilvalidation.IsDNS1123Label(pod.Name); len(wrong) > 0 {
		warnings = append(warnings, fmt.Sprintf("metadata.name: this is used in the Pod's hostname, which can result in "+
			"surprising behavior; a DNS label is recommended: %v", wrong))
	}
	warnings = append(warnings, warnSpec(nil, &pod.Spec, pod.Annotations)...)
	// What a controller makes from a template was warned of when the template was written.
	if len(pod.OwnerReferences) == 0 {
		warnings = append(warnings, warnGaps("", &pod.Spec)...)
	}
	return warnings
}

// WarnTemplate warns when a template is new, or another than before.
func WarnTemplate(template, old *corev1.PodTemplateSpec) []string {
	return WarnTemplateAt(field.NewPath("spec", "template"), template, old)
}

// WarnTemplateAt is WarnTemplate for a template that is not at spec.template.
func WarnTemplateAt(path *field.Path, template, old *corev1.PodTemplateSpec) []string {
	if template == nil || (old != nil && apiequality.Semantic.DeepEqual(template, old)) {
		return nil
	}
	warnings := warnSpec(path, &template.Spec, template.Annotations)
	return append(warnings, warnGaps(path.String()+".", &template.Spec)...)
}

func warnGaps(prefix string, spec *corev1.PodSpec) []string {
	var warnings []string
	for _, g := range gaps {
		if g.used(spec) {
			warnings = append(warnings, fmt.Sprintf("%s%s is not honoured by minik yet: %s", prefix, g.path, g.effect))
		}
	}
	return warnings
}

// warnSpec is what upstream warns of. path is nil for a pod, and leads to the template otherwise.
func warnSpec(path *field.Path, spec *corev1.PodSpec, annotations map[string]string) []string {
	var warnings []string
	say := func(at *field.Path, format string, args ...any) {
		warnings = append(warnings, at.String()+": "+fmt.Sprintf(format, args...))
	}
	for _, key := range validation.SortedKeys(spec.NodeSelector) {
		if message, deprecated := DeprecatedNodeLabel(key); deprecated {
			say(child(path, "spec", "nodeSelector").Key(key), "%s", message)
		}
	}
	for i, c := range spec.TopologySpreadConstraints {
		if c.LabelSelector == nil {
			say(child(path, "spec", "topologySpreadConstraints").Index(i).Child("labelSelector"),
				"a null labelSelector results in matching no pod")
		}
	}
	const criticalPod = "scheduler.alpha.kubernetes.io/critical-pod"
	if _, ok := annotations[criticalPod]; ok {
		say(child(path, "metadata", "annotations").Key(criticalPod),
			`non-functional in v1.16+; use the "priorityClassName" field instead`)
	}
	for _, key := range validation.SortedKeys(annotations) {
		if strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
			say(child(path, "metadata", "annotations").Key(key), `non-functional; use the "appArmorProfile" field instead`)
		}
	}
	for i, v := range spec.Volumes {
		if v.GitRepo != nil {
			say(child(path, "spec", "volumes").Index(i).Child("gitRepo"), "deprecated in v1.11")
		}
	}
	addresses, secrets := map[string]bool{}, map[string]bool{}
	for i, alias := range spec.HostAliases {
		if addresses[alias.IP] {
			say(child(path, "spec", "hostAliases").Index(i).Child("ip"), "duplicate ip %q", alias.IP)
		}
		addresses[alias.IP] = true
	}
	for i, secret := range spec.ImagePullSecrets {
		at := child(path, "spec", "imagePullSecrets").Index(i).Child("name")
		if secrets[secret.Name] {
			say(at, "duplicate name %q", secret.Name)
		}
		if secret.Name == "" {
			say(at, "invalid empty name %q", secret.Name)
		}
		secrets[secret.Name] = true
	}
	for _, list := range []struct {
		name       string
		containers []corev1.Container
	}{{"initContainers", spec.InitContainers}, {"containers", spec.Containers}} {
		for i := range list.containers {
			warnContainer(child(path, "spec", list.name).Index(i), &list.containers[i], say)
		}
	}
	if period := spec.TerminationGracePeriodSeconds; period != nil && *period < 0 {
		say(child(path, "spec", "terminationGracePeriodSeconds"),
			"must be >= 0; negative values are invalid and will be treated as 1")
	}
	return append(warnings, warnPorts(path, spec)...)
}

// child is Child where path may be nil: the root has no path of its own.
func child(path *field.Path, name string, more ...string) *field.Path {
	if path == nil {
		return field.NewPath(name, more...)
	}
	return path.Child(name, more...)
}

// DeprecatedNodeLabel says of a label of nodes that it is deprecated, and what to write instead: "deprecated since v1.14; use …".
func DeprecatedNodeLabel(key string) (message string, deprecated bool) {
	message, deprecated = deprecatedNodeLabels[key]
	return message, deprecated
}

// deprecatedNodeLabels are label keys that nodes carry under a newer name.
var deprecatedNodeLabels = map[string]string{
	"beta.kubernetes.io/arch":                  `deprecated since v1.14; use "kubernetes.io/arch" instead`,
	"beta.kubernetes.io/os":                    `deprecated since v1.14; use "kubernetes.io/os" instead`,
	"failure-domain.beta.kubernetes.io/region": `deprecated since v1.17; use "topology.kubernetes.io/region" instead`,
	"failure-domain.beta.kubernetes.io/zone":   `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
	"beta.kubernetes.io/instance-type":         `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`,
}

// warnContainer finds bytes that are no whole number ("100m" of memory is a tenth of a byte), and variables that hide
// earlier ones of the same name.
func warnContainer(path *field.Path, c *corev1.Container, say func(*field.Path, string, ...any)) {
	for _, list := range []struct {
		name  string
		items corev1.ResourceList
	}{{"limits", c.Resources.Limits}, {"requests", c.Resources.Requests}} {
		for _, name := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if q, ok := list.items[name]; ok && q.MilliValue()%1000 != 0 {
				say(path.Child("resources", list.name).Key(string(name)),
					"fractional byte value %q is invalid, must be an integer", q.String())
			}
		}
	}
	seen := map[string]bool{}
	for i, v := range c.Env {
		reference := "$(" + v.Name + ")"
		if seen[v.Name] && (v.ValueFrom != nil || v.Value == reference || !strings.Contains(v.Value, reference)) {
			say(path.Child("env").Index(i), "hides previous definition of %q, which may be dropped when using apply", v.Name)
		}
		seen[v.Name] = true
	}
}

// maxPortPairs bounds the pairs of ports that are compared.
const maxPortPairs = 10_000

// warnPorts finds ports that two entries define alike.
func warnPorts(path *field.Path, spec *corev1.PodSpec) []string {
	var warnings []string
	type entry struct {
		at   *field.Path
		port corev1.ContainerPort
	}
	seen := map[string][]entry{}
	compared := 0
	for i, c := range spec.Containers {
		for j, p := range c.Ports {
			at := child(path, "spec", "containers").Index(i).Child("ports").Index(j)
			key := fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
			for _, other := range seen[key] {
				// A hundred containers may share a port with each other; beyond, a warning is not worth the time: what is told
				// of them is bounded anyway.
				if compared++; compared > maxPortPairs {
					return warnings
				}
				switch {
				case p.HostIP == other.port.HostIP && p.HostPort == other.port.HostPort:
					warnings = append(warnings, fmt.Sprintf("%s: duplicate port definition with %s", at, other.at))
				case p.HostPort == 0 || other.port.HostPort == 0:
					warnings = append(warnings, fmt.Sprintf("%s: overlapping port definition with %s", at, other.at))
				}
			}
			seen[key] = append(seen[key], entry{at, p})
		}
	}
	return warnings
}
