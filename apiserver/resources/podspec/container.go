package podspec

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// podScope is what the checks of one container need to know of its pod.
type podScope struct {
	volumes map[string]*corev1.VolumeSource
	// claims are the names in spec.resourceClaims.
	claims        sets.Set[string]
	restartPolicy corev1.RestartPolicy
	// grace is terminationGracePeriodSeconds, which a sleeping preStop hook must not exceed; nil where it is missing.
	grace *int64
}

// validateContainers checks spec.containers. There is at least one, and no two have one name.
func validateContainers(path *field.Path, containers []corev1.Container, pod podScope) field.ErrorList {
	if len(containers) == 0 {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	names, hostPorts := validation.Unique{}, validation.Unique{}
	for i := range containers {
		c, at := &containers[i], path.Index(i)
		errs = append(errs, validateContainer(at, c, pod)...)
		errs = append(errs, names.Add(at.Child("name"), c.Name)...)
		errs = append(errs, validateHooks(at, c, pod)...)
		errs = append(errs, validateRestart(at, c)...)
	}
	for i := range containers {
		errs = append(errs, validateHostPorts(path.Index(i), &containers[i], hostPorts)...)
	}
	return errs
}

// validateInitContainers checks spec.initContainers. Only those that go on running (restartPolicy Always) may be
// probed: the others are done before anything could be asked of them.
func validateInitContainers(path *field.Path, containers, regular []corev1.Container, pod podScope) field.ErrorList {
	var errs field.ErrorList
	names := validation.Unique{}
	for _, c := range regular {
		names[c.Name] = true
	}
	for i := range containers {
		c, at := &containers[i], path.Index(i)
		errs = append(errs, validateContainer(at, c, pod)...)
		errs = append(errs, validateInitRestart(at, c)...)
		if c.Name != "" || names[""] { // several without a name are no duplicates of each other (upstream)
			errs = append(errs, names.Add(at.Child("name"), c.Name)...)
		}
		errs = append(errs, validateHostPorts(at, c, validation.Unique{})...)
		if IsSidecar(c) {
			errs = append(errs, validateHooks(at, c, pod)...)
			continue
		}
		for j, p := range c.ResizePolicy {
			if p.RestartPolicy == corev1.RestartContainer {
				errs = append(errs, field.Invalid(at.Child("resizePolicy").Index(j).Child("restartPolicy"), p.RestartPolicy,
					"must not be set to 'RestartContainer' for non-sidecar initContainers"))
			}
		}
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"lifecycle", c.Lifecycle != nil}, {"livenessProbe", c.LivenessProbe != nil},
			{"readinessProbe", c.ReadinessProbe != nil}, {"startupProbe", c.StartupProbe != nil},
		} {
			if f.set {
				errs = append(errs, field.Forbidden(at.Child(f.name),
					"may not be set for init containers without restartPolicy=Always"))
			}
		}
	}
	return errs
}

// validateContainer checks what all containers have in common.
func validateContainer(path *field.Path, c *corev1.Container, pod podScope) field.ErrorList {
	var errs field.ErrorList
	if c.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), ""))
	} else {
		errs = append(errs, validation.DNSLabel(path.Child("name"), c.Name)...)
	}
	if c.Image == "" {
		errs = append(errs, field.Required(path.Child("image"), ""))
	}
	errs = append(errs, validation.OneOf(path.Child("terminationMessagePolicy"), c.TerminationMessagePolicy,
		corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)...)
	errs = append(errs, validatePorts(path.Child("ports"), c.Ports)...)
	errs = append(errs, validateEnv(path.Child("env"), c.Env)...)
	errs = append(errs, validateEnvFrom(path.Child("envFrom"), c.EnvFrom)...)
	errs = append(errs, validateMounts(path, c, pod.volumes)...)
	errs = append(errs, validateDevices(path.Child("volumeDevices"), c, pod.volumes)...)
	errs = append(errs, validation.OneOf(path.Child("imagePullPolicy"), c.ImagePullPolicy,
		corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	errs = append(errs, ValidateRequirements(path.Child("resources"), &c.Resources, pod.claims)...)
	errs = append(errs, validateResizePolicy(path.Child("resizePolicy"), c.ResizePolicy, pod.restartPolicy)...)
	errs = append(errs, validateSecurityContext(path.Child("securityContext"), c.SecurityContext)...)
	return errs
}

// validateImageSpace refuses what templates are allowed: an image with space around its name.
func validateImageSpace(path *field.Path, containers []corev1.Container) field.ErrorList {
	var errs field.ErrorList
	for i := range containers {
		errs = append(errs, validateImageSpaceOf(path.Index(i), &containers[i])...)
	}
	return errs
}

func validateImageSpaceOf(path *field.Path, c *corev1.Container) field.ErrorList {
	if strings.TrimSpace(c.Image) == c.Image {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("image"), c.Image, "must not have leading or trailing whitespace")}
}

func validatePorts(path *field.Path, ports []corev1.ContainerPort) field.ErrorList {
	var errs field.ErrorList
	names := validation.Unique{}
	for i, p := range ports {
		at := path.Index(i)
		if p.Name != "" {
			if wrong := utilvalidation.IsValidPortName(p.Name); len(wrong) > 0 {
				errs = append(errs, validation.Invalid(at.Child("name"), p.Name, wrong)...)
			} else {
				errs = append(errs, names.Add(at.Child("name"), p.Name)...)
			}
		}
		if p.ContainerPort == 0 {
			errs = append(errs, field.Required(at.Child("containerPort"), ""))
		} else {
			errs = append(errs, validation.PortNumber(at.Child("containerPort"), p.ContainerPort)...)
		}
		if p.HostPort != 0 {
			errs = append(errs, validation.PortNumber(at.Child("hostPort"), p.HostPort)...)
		}
		errs = append(errs, validation.Protocol(at.Child("protocol"), p.Protocol)...)
	}
	return errs
}

// validateHostPorts reports a port of the node that two containers of the pod want.
func validateHostPorts(path *field.Path, c *corev1.Container, taken validation.Unique) field.ErrorList {
	var errs field.ErrorList
	for i, p := range c.Ports {
		if p.HostPort != 0 {
			key := string(p.Protocol) + "/" + p.HostIP + "/" + strconv.Itoa(int(p.HostPort))
			errs = append(errs, taken.Add(path.Child("ports").Index(i).Child("hostPort"), key)...)
		}
	}
	return errs
}

func validateResizePolicy(path *field.Path, policies []corev1.ContainerResizePolicy,
	restart corev1.RestartPolicy) field.ErrorList {
	var errs field.ErrorList
	seen := validation.Unique{}
	for i, p := range policies {
		errs = append(errs, seen.Add(path.Index(i), string(p.ResourceName))...)
		errs = append(errs, validation.OneOf(path, p.ResourceName, corev1.ResourceCPU, corev1.ResourceMemory)...)
		errs = append(errs, validation.OneOf(path, p.RestartPolicy, corev1.NotRequired, corev1.RestartContainer)...)
		if restart == corev1.RestartPolicyNever && p.RestartPolicy != corev1.NotRequired {
			errs = append(errs, field.Invalid(path, p.RestartPolicy,
				"must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
		}
	}
	return errs
}

// maxRestartRules and maxExitCodes bound the rules by which a container is started again.
const (
	maxRestartRules = 20
	maxExitCodes    = 255
)

// validateInitRestart is validateRestart for an init container: rules alone say nothing of it.
func validateInitRestart(path *field.Path, c *corev1.Container) field.ErrorList {
	if c.RestartPolicy == nil && len(c.RestartPolicyRules) > 0 {
		return field.ErrorList{field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used")}
	}
	return validateRestart(path, c)
}

// validateRestart checks when a container is started again, whatever the pod says.
func validateRestart(path *field.Path, c *corev1.Container) field.ErrorList {
	var errs field.ErrorList
	rules := path.Child("restartPolicyRules")
	if c.RestartPolicy != nil {
		errs = append(errs, validation.Supported(path.Child("restartPolicy"), *c.RestartPolicy, corev1.ContainerRestartPolicyAlways,
			corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure)...)
	} else if len(c.RestartPolicyRules) > 0 {
		errs = append(errs, field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used"))
	}
	if n := len(c.RestartPolicyRules); n > maxRestartRules {
		errs = append(errs, field.TooMany(rules, n, maxRestartRules))
	}
	for i, rule := range c.RestartPolicyRules {
		at, codes := rules.Index(i), rules.Index(i).Child("exitCodes")
		errs = append(errs, validation.Supported(at.Child("action"), rule.Action, corev1.ContainerRestartRuleActionRestart,
			corev1.ContainerRestartRuleActionRestartAllContainers)...)
		if rule.ExitCodes == nil {
			errs = append(errs, field.Required(codes, "must be specified"))
			continue
		}
		errs = append(errs, validation.Supported(codes.Child("operator"), rule.ExitCodes.Operator,
			corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn)...)
		if n := len(rule.ExitCodes.Values); n > maxExitCodes {
			errs = append(errs, field.TooMany(codes.Child("values"), n, maxExitCodes))
		}
	}
	return errs
}

// IsSidecar tells an init container that goes on running beside the containers.
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
