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
	{"spec.hostnameOverride", func(s *corev1.PodSpec) bool { return s.HostnameOverride != nil },
		"the pod keeps the hostname that it has"},
	{"restartPolicy or restartPolicyRules of a container", func(s *corev1.PodSpec) bool {
		found := false
		ForEachContainer(s, func(c *corev1.Container) {
			found = found || c.RestartPolicy != nil && !IsSidecar(c) || len(c.RestartPolicyRules) > 0
		})
		return found
	}, "containers are started again by the pod's restartPolicy"},
	{"fileKeyRef of a variable", anyContainer(func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.ValueFrom != nil && v.ValueFrom.FileKeyRef != nil })
	}), "the variable is not set"},
	{"recursiveReadOnly of a volumeMount", anyContainer(func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.RecursiveReadOnly != nil && *m.RecursiveReadOnly != corev1.RecursiveReadOnlyDisabled
		})
	}), "what is mounted below the volume can be written"},
	{"a type of spec.volumes", func(s *corev1.PodSpec) bool { return slices.ContainsFunc(s.Volumes, unmounted) },
		"nodes mount configMap, secret, projected, downwardAPI, emptyDir, hostPath and image, and the pod waits for the others"},
	{"a serviceAccountToken or podCertificate of spec.volumes[*].projected", func(s *corev1.PodSpec) bool {
		return slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool {
			return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(p corev1.VolumeProjection) bool {
				return p.ServiceAccountToken != nil || p.PodCertificate != nil
			})
		})
	}, "nobody issues one, and the pod waits for its volume"},
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
		v.EmptyDir != nil || v.HostPath != nil || v.Image != nil
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
	warnings = append(warnings, warnAppArmor(pod)...)
	warnings = append(warnings, warnSpec(nil, &pod.Spec, pod.Annotations)...)
	// What a controller makes from a template was warned of when the template was written.
	if len(pod.OwnerReferences) == 0 {
		warnings = append(warnings, warnGaps("", &pod.Spec)...)
	}
	return warnings
}

// WarnName warns of the name of something that names its pods after itself.
func WarnName(name string) []string {
	if wrong := utilvalidation.IsDNS1123Label(name); len(wrong) > 0 {
		return []string{fmt.Sprintf("metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "+
			"a DNS label is recommended: %v", wrong)}
	}
	return nil
}

// WarnTemplate warns of the template at spec.template. Upstream asks on create, and on updates that change anything of the spec.
func WarnTemplate(template *corev1.PodTemplateSpec) []string {
	return WarnTemplateAt(field.NewPath("spec", "template"), template)
}

// WarnTemplateAt is WarnTemplate for a template that is not at spec.template.
func WarnTemplateAt(path *field.Path, template *corev1.PodTemplateSpec) []string {
	if template == nil {
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
	warnAffinity(child(path, "spec", "affinity"), spec.Affinity, say)
	for i, c := range spec.TopologySpreadConstraints {
		at := child(path, "spec", "topologySpreadConstraints").Index(i)
		if message, deprecated := DeprecatedNodeLabel(c.TopologyKey); deprecated {
			say(at.Child("topologyKey"), "%s is %s", c.TopologyKey, message)
		}
		if c.LabelSelector == nil {
			say(at.Child("labelSelector"), nullSelector)
		}
	}
	for _, key := range validation.SortedKeys(annotations) {
		if message := deprecatedAnnotation(key, annotations[key], path != nil, spec); message != "" {
			say(child(path, "metadata", "annotations").Key(key), "%s", message)
		}
	}
	for i := range spec.Volumes {
		warnVolume(child(path, "spec", "volumes").Index(i), &spec.Volumes[i], say)
	}
	warnings = append(warnings, warnOverlaps(spec.Volumes)...)
	warnFractions(child(path, "spec", "overhead"), spec.Overhead, say)
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
	eachAt(child(path, "spec"), spec, func(at *field.Path, c *corev1.Container) { warnContainer(at, c, say) })
	if spec.DNSConfig != nil {
		for i, server := range spec.DNSConfig.Nameservers {
			warnings = append(warnings, utilvalidation.GetWarningsForIP(child(path, "spec", "dnsConfig", "nameservers").Index(i), server)...)
		}
	}
	for i, alias := range spec.HostAliases {
		warnings = append(warnings, utilvalidation.GetWarningsForIP(child(path, "spec", "hostAliases").Index(i).Child("ip"), alias.IP)...)
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
	newer, deprecated := newerNodeLabels[key]
	return fmt.Sprintf("deprecated since %s; use %q instead", newer.since, newer.name), deprecated
}

// NewerNodeLabel is the name under which nodes carry the label now, or empty where it has no other.
func NewerNodeLabel(key string) string { return newerNodeLabels[key].name }

// newerNodeLabels are those that took the place of beta labels, and since when.
var newerNodeLabels = map[string]struct{ since, name string }{
	"beta.kubernetes.io/arch":                  {"v1.14", corev1.LabelArchStable},
	"beta.kubernetes.io/os":                    {"v1.14", corev1.LabelOSStable},
	"failure-domain.beta.kubernetes.io/region": {"v1.17", corev1.LabelTopologyRegion},
	"failure-domain.beta.kubernetes.io/zone":   {"v1.17", corev1.LabelTopologyZone},
	"beta.kubernetes.io/instance-type":         {"v1.17", corev1.LabelInstanceTypeStable},
}

// warnContainer finds bytes that are no whole number, and variables that hide earlier ones of the same name.
func warnContainer(path *field.Path, c *corev1.Container, say func(*field.Path, string, ...any)) {
	warnFractions(path.Child("resources", "limits"), c.Resources.Limits, say)
	warnFractions(path.Child("resources", "requests"), c.Resources.Requests, say)
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

// warnPorts finds ports that two entries define alike, or by one name.
func warnPorts(path *field.Path, spec *corev1.PodSpec) []string {
	var warnings []string
	type entry struct {
		at   *field.Path
		port corev1.ContainerPort
	}
	seen, names := map[string][]entry{}, map[string]*field.Path{}
	compared := 0
	eachAt(child(path, "spec"), spec, func(of *field.Path, c *corev1.Container) {
		for i, p := range c.Ports {
			at := of.Child("ports").Index(i)
			if p.HostIP != "" && p.HostPort == 0 {
				warnings = append(warnings, fmt.Sprintf("%s: hostIP set without hostPort: %+v", at, p))
			}
			if other := names[p.Name]; other != nil {
				warnings = append(warnings, fmt.Sprintf("%s: duplicate port name %q with %s, services and probes that select ports by name "+
					"will use %s", at, p.Name, other, other))
			} else if p.Name != "" {
				names[p.Name] = at
			}
			key := fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
			for _, other := range seen[key] {
				// A hundred containers may share a port with each other; beyond, a warning is not worth the time: what is told
				// of them is bounded anyway.
				if compared++; compared > maxPortPairs {
					return
				}
				switch {
				case p.HostIP == other.port.HostIP && p.HostPort == other.port.HostPort:
					warnings = append(warnings, fmt.Sprintf("%s: duplicate port definition with %s", at, other.at))
				case p.HostPort == 0 || other.port.HostPort == 0:
					warnings = append(warnings, fmt.Sprintf("%s: overlapping port definition with %s", at, other.at))
				case p.HostPort == other.port.HostPort && (p.HostIP == "" || other.port.HostIP == ""):
					warnings = append(warnings, fmt.Sprintf("%s: dangerously ambiguous port definition with %s", at, other.at))
				}
			}
			seen[key] = append(seen[key], entry{at, p})
		}
	})
	return warnings
}

// nullSelector is said of a selector that is missing where one is looked for.
const nullSelector = "a null labelSelector results in matching no pod"

// warnAffinity finds labels of nodes that go by a newer name, values that no label has, and terms that select no pod.
func warnAffinity(path *field.Path, a *corev1.Affinity, say func(*field.Path, string, ...any)) {
	if a == nil {
		return
	}
	const must = "requiredDuringSchedulingIgnoredDuringExecution"
	const rather = "preferredDuringSchedulingIgnoredDuringExecution"
	node := func(at *field.Path, term corev1.NodeSelectorTerm, values bool) {
		for i, r := range term.MatchExpressions {
			at := at.Child("matchExpressions").Index(i)
			if message, deprecated := DeprecatedNodeLabel(r.Key); deprecated {
				say(at.Child("key"), "%s is %s", r.Key, message)
			}
			for j, value := range r.Values {
				for _, wrong := range utilvalidation.IsValidLabelValue(value) {
					if values {
						say(at.Child("values").Index(j), "%s is invalid, %s", value, wrong)
					}
				}
			}
		}
	}
	pods := func(at *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
		for i, t := range required {
			if t.LabelSelector == nil {
				say(at.Child(must).Index(i).Child("labelSelector"), nullSelector)
			}
		}
		for i, t := range preferred {
			if t.PodAffinityTerm.LabelSelector == nil {
				say(at.Child(rather).Index(i).Child("podAffinityTerm", "labelSelector"), nullSelector)
			}
		}
	}
	if n := a.NodeAffinity; n != nil {
		at := path.Child("nodeAffinity")
		if n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			for i, term := range n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
				node(at.Child(must, "nodeSelectorTerms").Index(i), term, false)
			}
		}
		for i, term := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			node(at.Child(rather).Index(i).Child("preference"), term.Preference, true)
		}
	}
	if p := a.PodAffinity; p != nil {
		pods(path.Child("podAffinity"), p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		pods(path.Child("podAntiAffinity"), p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

// deprecatedAnnotation says what to write instead of an annotation; empty is that nothing is wrong with it. That of AppArmor is told of
// for templates alone: a pod's becomes a field (SyncAppArmor).
func deprecatedAnnotation(key, value string, template bool, spec *corev1.PodSpec) string {
	const seccompPod, seccomp = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
	const noSeccomp = `non-functional in v1.27+; use the "seccompProfile" field instead`
	container := func(prefix string) *corev1.Container {
		name, ok := strings.CutPrefix(key, prefix)
		var found *corev1.Container
		eachAt(field.NewPath(""), spec, func(_ *field.Path, c *corev1.Container) {
			if ok && c.Name == name {
				found = c
			}
		})
		return found
	}
	s := spec.SecurityContext
	switch key {
	case "scheduler.alpha.kubernetes.io/critical-pod":
		return `non-functional in v1.16+; use the "priorityClassName" field instead`
	case "security.alpha.kubernetes.io/sysctls", "security.alpha.kubernetes.io/unsafe-sysctls":
		return `non-functional in v1.11+; use the "sysctls" field instead`
	case seccompPod:
		if s == nil || s.SeccompProfile == nil {
			return noSeccomp
		}
	}
	if c := container(seccomp); c != nil && (c.SecurityContext == nil || c.SecurityContext.SeccompProfile == nil) {
		return noSeccomp
	}
	c := container(corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix)
	if c == nil || !template || c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
		return ""
	}
	if s == nil || s.AppArmorProfile == nil || !apiequality.Semantic.DeepEqual(s.AppArmorProfile, appArmorOf(value)) {
		return deprecatedAppArmor
	}
	return ""
}

// deprecatedVolumes are the sources that no Kubernetes mounts any more, or soon none.
var deprecatedVolumes = []struct {
	name, message string
	used          func(*corev1.Volume) bool
}{
	{"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+", func(v *corev1.Volume) bool { return v.PhotonPersistentDisk != nil }},
	{"gitRepo", "deprecated in v1.11, and disabled by default in v1.33+", func(v *corev1.Volume) bool { return v.GitRepo != nil }},
	{"scaleIO", "deprecated in v1.16, non-functional in v1.22+", func(v *corev1.Volume) bool { return v.ScaleIO != nil }},
	{"flocker", "deprecated in v1.22, non-functional in v1.25+", func(v *corev1.Volume) bool { return v.Flocker != nil }},
	{"storageOS", "deprecated in v1.22, non-functional in v1.25+", func(v *corev1.Volume) bool { return v.StorageOS != nil }},
	{"quobyte", "deprecated in v1.22, non-functional in v1.25+", func(v *corev1.Volume) bool { return v.Quobyte != nil }},
	{"glusterfs", "deprecated in v1.25, non-functional in v1.26+", func(v *corev1.Volume) bool { return v.Glusterfs != nil }},
	{"cephfs", "deprecated in v1.28, non-functional in v1.31+", func(v *corev1.Volume) bool { return v.CephFS != nil }},
	{"rbd", "deprecated in v1.28, non-functional in v1.31+", func(v *corev1.Volume) bool { return v.RBD != nil }},
}

func warnVolume(path *field.Path, v *corev1.Volume, say func(*field.Path, string, ...any)) {
	for _, d := range deprecatedVolumes {
		if d.used(v) {
			say(path.Child(d.name), "%s", d.message)
		}
	}
	if v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
		at, r := path.Child("ephemeral", "volumeClaimTemplate", "spec", "resources"), v.Ephemeral.VolumeClaimTemplate.Spec.Resources
		warnFraction(at.Child("requests"), r.Requests, corev1.ResourceStorage, say)
		warnFraction(at.Child("limits"), r.Limits, corev1.ResourceStorage, say)
	}
}

// warnFractions finds bytes that are no whole number: "100m" of memory is a tenth of a byte.
func warnFractions(path *field.Path, list corev1.ResourceList, say func(*field.Path, string, ...any)) {
	warnFraction(path, list, corev1.ResourceMemory, say)
	warnFraction(path, list, corev1.ResourceEphemeralStorage, say)
}

func warnFraction(path *field.Path, list corev1.ResourceList, name corev1.ResourceName, say func(*field.Path, string, ...any)) {
	if q, ok := list[name]; ok && q.MilliValue()%1000 != 0 {
		say(path.Key(string(name)), "fractional byte value %q is invalid, must be an integer", q.String())
	}
}
