package podspec

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// validatePodSecurity checks spec.securityContext, which holds for all containers of the pod.
func validatePodSecurity(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	if share := spec.ShareProcessNamespace; share != nil && *share && spec.HostPID {
		errs = append(errs, field.Invalid(path.Child("shareProcessNamespace"), *share,
			"ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	path = path.Child("securityContext")
	s := spec.SecurityContext
	if s == nil {
		return errs
	}
	errs = append(errs, validateIDs(path, s.RunAsUser, s.RunAsGroup)...)
	if s.FSGroup != nil {
		errs = append(errs, validation.Invalid(path.Child("fsGroup"), *s.FSGroup, utilvalidation.IsValidGroupID(*s.FSGroup))...)
	}
	for i, group := range s.SupplementalGroups {
		errs = append(errs, validation.Invalid(path.Child("supplementalGroups").Index(i), group, utilvalidation.IsValidGroupID(group))...)
	}
	names := validation.Unique{}
	for i, sysctl := range s.Sysctls {
		errs = append(errs, validateSysctl(path.Child("sysctls").Index(i).Child("name"), sysctl.Name, names, spec)...)
	}
	if s.SupplementalGroupsPolicy != nil {
		errs = append(errs, validation.Supported(path.Child("supplementalGroupsPolicy"), *s.SupplementalGroupsPolicy,
			corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)...)
	}
	if s.FSGroupChangePolicy != nil {
		errs = append(errs, validation.Supported(path.Child("fsGroupChangePolicy"), *s.FSGroupChangePolicy,
			corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch)...)
	}
	if s.SELinuxChangePolicy != nil {
		errs = append(errs, validation.Supported(path.Child("seLinuxChangePolicy"), *s.SELinuxChangePolicy,
			corev1.SELinuxChangePolicyMountOption, corev1.SELinuxChangePolicyRecursive)...)
	}
	errs = append(errs, validateSeccomp(path.Child("seccompProfile"), s.SeccompProfile)...)
	errs = append(errs, validateWindowsOptions(path.Child("windowsOptions"), s.WindowsOptions)...)
	return append(errs, validateAppArmor(path.Child("appArmorProfile"), s.AppArmorProfile)...)
}

// maxSysctl is how long the name of a sysctl may be, in bytes.
const maxSysctl = 253

var sysctlName = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

// validateSysctl takes each name once, and none of a namespace that the pod shares with its node.
func validateSysctl(path *field.Path, name string, names validation.Unique, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	switch {
	case name == "":
		errs = append(errs, field.Required(path, ""))
	case len(name) > maxSysctl || !sysctlName.MatchString(name):
		errs = append(errs, field.Invalid(path, name, fmt.Sprintf("must have at most %d characters and match regex %s", maxSysctl,
			sysctlName)))
	default:
		errs = append(errs, names.Add(path, name)...)
	}
	plain := strings.ReplaceAll(name, "/", ".")
	ofIPC := strings.HasPrefix(plain, "kernel.shm") || strings.HasPrefix(plain, "kernel.msg") || plain == "kernel.sem" ||
		strings.HasPrefix(plain, "fs.mqueue.")
	switch {
	case spec.HostNetwork && strings.HasPrefix(plain, "net."):
		errs = append(errs, field.Invalid(path, name, "may not be specified when 'hostNetwork' is true"))
	case spec.HostIPC && ofIPC:
		errs = append(errs, field.Invalid(path, name, "may not be specified when 'hostIPC' is true"))
	}
	return errs
}

// validateSecurityContext checks the securityContext of one container.
func validateSecurityContext(path *field.Path, s *corev1.SecurityContext) field.ErrorList {
	if s == nil {
		return nil
	}
	errs := validateIDs(path, s.RunAsUser, s.RunAsGroup)
	errs = append(errs, validateSeccomp(path.Child("seccompProfile"), s.SeccompProfile)...)
	errs = append(errs, validateAppArmor(path.Child("appArmorProfile"), s.AppArmorProfile)...)
	errs = append(errs, validateWindowsOptions(path.Child("windowsOptions"), s.WindowsOptions)...)
	if s.ProcMount != nil {
		errs = append(errs, validation.Supported(path.Child("procMount"), *s.ProcMount, corev1.DefaultProcMount, corev1.UnmaskedProcMount)...)
	}
	if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation {
		return errs
	}
	if s.Privileged != nil && *s.Privileged {
		errs = append(errs, field.Invalid(path, s,
			"cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
	}
	if s.Capabilities != nil {
		for _, capability := range s.Capabilities.Add {
			if capability == "CAP_SYS_ADMIN" {
				errs = append(errs, field.Invalid(path, s,
					"cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
			}
		}
	}
	return errs
}

// validateProcMounts refuses what only a pod with users of its own may ask for.
func validateProcMounts(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	if spec.HostUsers != nil && !*spec.HostUsers {
		return nil
	}
	var errs field.ErrorList
	for _, list := range []struct {
		name       string
		containers []corev1.Container
	}{{"initContainers", spec.InitContainers}, {"containers", spec.Containers}} {
		for i, c := range list.containers {
			if o := c.SecurityContext; o != nil && o.ProcMount != nil && *o.ProcMount == corev1.UnmaskedProcMount {
				errs = append(errs, field.Invalid(path.Child(list.name).Index(i).Child("securityContext", "procMount"), *o.ProcMount,
					"`hostUsers` must be false to use `Unmasked`"))
			}
		}
	}
	return errs
}

func validateIDs(path *field.Path, user, group *int64) field.ErrorList {
	var errs field.ErrorList
	if user != nil {
		errs = append(errs, validation.Invalid(path.Child("runAsUser"), *user, utilvalidation.IsValidUserID(*user))...)
	}
	if group != nil {
		errs = append(errs, validation.Invalid(path.Child("runAsGroup"), *group, utilvalidation.IsValidGroupID(*group))...)
	}
	return errs
}

func validateSeccomp(path *field.Path, p *corev1.SeccompProfile) field.ErrorList {
	if p == nil {
		return nil
	}
	errs := profileType("type is required when seccompProfile is set", path.Child("type"), p.Type, corev1.SeccompProfileTypeLocalhost,
		corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined)
	local := path.Child("localhostProfile")
	switch {
	case p.Type == corev1.SeccompProfileTypeLocalhost && p.LocalhostProfile == nil:
		errs = append(errs, field.Required(local, "must be set when seccomp type is Localhost"))
	case p.Type == corev1.SeccompProfileTypeLocalhost:
		errs = append(errs, descending(local, *p.LocalhostProfile)...)
	case p.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(local, p, "can only be set when seccomp type is Localhost"))
	}
	return errs
}

// profileType is OneOf with words for a type that is missing.
func profileType[T ~string](missing string, path *field.Path, value T, allowed ...T) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, missing)}
	}
	return validation.Supported(path, value, allowed...)
}

// longestAppArmorProfile bounds the name of a profile, in bytes, as upstream does.
const longestAppArmorProfile = 4095

func validateAppArmor(path *field.Path, p *corev1.AppArmorProfile) field.ErrorList {
	if p == nil {
		return nil
	}
	errs := profileType("type is required when appArmorProfile is set", path.Child("type"), p.Type, corev1.AppArmorProfileTypeLocalhost,
		corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined)
	local := path.Child("localhostProfile")
	switch {
	case p.Type == corev1.AppArmorProfileTypeLocalhost && (p.LocalhostProfile == nil || *p.LocalhostProfile == ""):
		errs = append(errs, field.Required(local, "must be set when AppArmor type is Localhost"))
	case p.Type == corev1.AppArmorProfileTypeLocalhost && strings.TrimSpace(*p.LocalhostProfile) != *p.LocalhostProfile:
		errs = append(errs, field.Invalid(local, *p.LocalhostProfile, "must not be padded with whitespace"))
	case p.Type == corev1.AppArmorProfileTypeLocalhost && len(*p.LocalhostProfile) > longestAppArmorProfile:
		errs = append(errs, field.TooLong(local, *p.LocalhostProfile, longestAppArmorProfile))
	case (p.Type == corev1.AppArmorProfileTypeRuntimeDefault || p.Type == corev1.AppArmorProfileTypeUnconfined) && p.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(local, p.LocalhostProfile, "can only be set when AppArmor type is Localhost"))
	}
	return errs
}
