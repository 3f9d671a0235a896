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

// validateOS checks which operating system a pod is for, and that it asks for nothing that only the other one has.
func validateOS(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	if spec.OS == nil {
		return nil
	}
	if spec.OS.Name == "" {
		return field.ErrorList{field.Required(path.Child("os", "name"), "")}
	}
	if wrong := validation.Supported(path.Child("os"), spec.OS.Name, corev1.Linux, corev1.Windows); len(wrong) > 0 {
		return wrong
	}
	var errs field.ErrorList
	refuse := func(at *field.Path, name string, set bool, why string) {
		if set {
			errs = append(errs, field.Forbidden(at.Child(name), why))
		}
	}
	if spec.OS.Name == corev1.Linux {
		const why = "windows options cannot be set for a linux pod"
		if s := spec.SecurityContext; s != nil {
			refuse(path.Child("securityContext"), "windowsOptions", s.WindowsOptions != nil, why)
		}
		eachAt(path, spec, func(at *field.Path, c *corev1.Container) {
			if s := c.SecurityContext; s != nil {
				refuse(at.Child("securityContext"), "windowsOptions", s.WindowsOptions != nil, why)
			}
		})
		return errs
	}
	const why = "cannot be set for a windows pod"
	if s := spec.SecurityContext; s != nil {
		at := path.Child("securityContext")
		refuse(at, "appArmorProfile", s.AppArmorProfile != nil, why)
		refuse(at, "seLinuxOptions", s.SELinuxOptions != nil, why)
		refuse(at, "seccompProfile", s.SeccompProfile != nil, why)
		refuse(at, "fsGroup", s.FSGroup != nil, why)
		refuse(at, "fsGroupChangePolicy", s.FSGroupChangePolicy != nil, why)
		refuse(at, "sysctls", len(s.Sysctls) > 0, why)
		refuse(at, "runAsUser", s.RunAsUser != nil, why)
		refuse(at, "runAsGroup", s.RunAsGroup != nil, why)
		refuse(at, "supplementalGroups", s.SupplementalGroups != nil, why)
		refuse(at, "supplementalGroupsPolicy", s.SupplementalGroupsPolicy != nil, why)
		refuse(at, "seLinuxChangePolicy", s.SELinuxChangePolicy != nil, why)
	}
	refuse(path, "hostUsers", spec.HostUsers != nil, why)
	refuse(path, "hostPID", spec.HostPID, why)
	refuse(path, "hostIPC", spec.HostIPC, why)
	refuse(path, "shareProcessNamespace", spec.ShareProcessNamespace != nil, why)
	eachAt(path, spec, func(at *field.Path, c *corev1.Container) {
		s := c.SecurityContext
		if s == nil {
			return
		}
		at = at.Child("securityContext")
		refuse(at, "appArmorProfile", s.AppArmorProfile != nil, why)
		refuse(at, "seLinuxOptions", s.SELinuxOptions != nil, why)
		refuse(at, "seccompProfile", s.SeccompProfile != nil, why)
		refuse(at, "capabilities", s.Capabilities != nil, why)
		refuse(at, "readOnlyRootFilesystem", s.ReadOnlyRootFilesystem != nil, why)
		refuse(at, "privileged", s.Privileged != nil, why)
		refuse(at, "allowPrivilegeEscalation", s.AllowPrivilegeEscalation != nil, why)
		refuse(at, "procMount", s.ProcMount != nil, why)
		refuse(at, "runAsUser", s.RunAsUser != nil, why)
		refuse(at, "runAsGroup", s.RunAsGroup != nil, why)
	})
	return errs
}

// What the name of a user of Windows may look like: DOMAIN\user or user.
const (
	maxDomain      = 256
	maxWindowsUser = 104
	maxGMSASpec    = 64 // KiB
)

var (
	controlCharacter = regexp.MustCompile(`[[:cntrl:]]`)
	netBIOSName      = regexp.MustCompile(`^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$`)
	windowsDomain    = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
)

func validateWindowsOptions(path *field.Path, o *corev1.WindowsSecurityContextOptions) field.ErrorList {
	if o == nil {
		return nil
	}
	var errs field.ErrorList
	if o.GMSACredentialSpecName != nil {
		errs = append(errs, validation.Invalid(path.Child("gmsaCredentialSpecName"), o.GMSACredentialSpecName,
			utilvalidation.IsDNS1123Subdomain(*o.GMSACredentialSpecName))...)
	}
	if spec := o.GMSACredentialSpec; spec != nil {
		at := path.Child("gmsaCredentialSpec")
		if *spec == "" {
			errs = append(errs, field.Invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
		} else if len(*spec) > maxGMSASpec<<10 {
			errs = append(errs, field.Invalid(at, spec, fmt.Sprintf("gmsaCredentialSpec size must be under %d KiB", maxGMSASpec)))
		}
	}
	if o.RunAsUserName != nil {
		for _, wrong := range windowsUserMistakes(*o.RunAsUserName) {
			errs = append(errs, field.Invalid(path.Child("runAsUserName"), o.RunAsUserName, wrong))
		}
	}
	return errs
}

func windowsUserMistakes(name string) []string {
	domain, user, has := strings.Cut(name, `\`)
	if !has {
		domain, user = "", name
	}
	switch {
	case name == "":
		return []string{"runAsUserName cannot be an empty string"}
	case controlCharacter.MatchString(name):
		return []string{"runAsUserName cannot contain control characters"}
	case strings.Contains(user, `\`):
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	var wrong []string
	if len(domain) >= maxDomain {
		wrong = append(wrong, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", maxDomain))
	}
	if has && !netBIOSName.MatchString(domain) && !windowsDomain.MatchString(domain) {
		wrong = append(wrong, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
	}
	if user == "" {
		wrong = append(wrong, "runAsUserName's User cannot be empty")
	} else if len(user) > maxWindowsUser {
		wrong = append(wrong, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", maxWindowsUser))
	}
	if user != "" && strings.Trim(user, ". ") == "" {
		wrong = append(wrong, "runAsUserName's User cannot contain only periods or spaces")
	}
	if strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`) {
		wrong = append(wrong, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return wrong
}

// validateHostProcess asks a pod of host processes of Windows to have nothing else, and the network of the node.
func validateHostProcess(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	var errs field.ErrorList
	var ofPod *bool
	if s := spec.SecurityContext; s != nil && s.WindowsOptions != nil {
		ofPod = s.WindowsOptions.HostProcess
	}
	containers, hosted := 0, 0
	eachAt(path, spec, func(at *field.Path, c *corev1.Container) {
		containers++
		is := ofPod
		if s := c.SecurityContext; s != nil && s.WindowsOptions != nil && s.WindowsOptions.HostProcess != nil {
			if is = s.WindowsOptions.HostProcess; ofPod != nil && *ofPod != *is {
				errs = append(errs, field.Invalid(at.Child("securityContext", "windowsOptions", "hostProcess"), *is,
					fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", *ofPod)))
			}
		}
		if is != nil && *is {
			hosted++
		}
	})
	if hosted > 0 && hosted != containers {
		errs = append(errs, field.Invalid(path, "",
			"If pod contains any hostProcess containers then all containers must be HostProcess containers"))
	}
	if hosted > 0 && !spec.HostNetwork {
		errs = append(errs, field.Invalid(path.Child("hostNetwork"), false,
			"hostNetwork must be true if pod contains any hostProcess containers"))
	}
	return errs
}

// validateUsers checks what a pod with users of its own may not share with its node.
func validateUsers(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	if spec.HostUsers == nil || *spec.HostUsers {
		return nil
	}
	const why = "when `hostUsers` is false"
	var errs field.ErrorList
	if spec.HostNetwork {
		errs = append(errs, field.Forbidden(path.Child("hostNetwork"), why))
	}
	if spec.HostPID {
		errs = append(errs, field.Forbidden(path.Child("HostPID"), why)) // upstream writes it so
	}
	if spec.HostIPC {
		errs = append(errs, field.Forbidden(path.Child("HostIPC"), why))
	}
	eachAt(path, spec, func(at *field.Path, c *corev1.Container) {
		if len(c.VolumeDevices) > 0 {
			errs = append(errs, field.Forbidden(at.Child("volumeDevices"), why))
		}
	})
	return errs
}
