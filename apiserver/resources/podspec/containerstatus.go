package podspec

import (
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// ValidateContainerStatuses checks what a kubelet says of a pod's containers of one sort: as whom they run, and which devices they
// were given.
func ValidateContainerStatuses(path *field.Path, statuses []corev1.ContainerStatus, containers []corev1.Container, pod *corev1.Pod) field.ErrorList {
	var errs field.ErrorList
	for i := range statuses {
		at, s := path.Index(i), &statuses[i]
		if s.User != nil {
			errs = append(errs, validateStatusUser(at.Child("user", "linux"), s.User.Linux, pod.Spec.OS)...)
		}
		j := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == s.Name })
		for k := range s.AllocatedResourcesStatus {
			given := at.Child("allocatedResourcesStatus").Index(k)
			if j >= 0 {
				errs = append(errs, validateGiven(given.Child("name"), s.AllocatedResourcesStatus[k].Name, &containers[j], &pod.Status)...)
			}
			errs = append(errs, validateHealth(given.Child("resources"), s.AllocatedResourcesStatus[k].Resources)...)
		}
	}
	return errs
}

// ValidateEphemeralStatuses does the same for ephemeral containers, which are given no devices.
func ValidateEphemeralStatuses(path *field.Path, statuses []corev1.ContainerStatus, pod *corev1.Pod) field.ErrorList {
	var errs field.ErrorList
	for i := range statuses {
		at, s := path.Index(i), &statuses[i]
		if s.User != nil {
			errs = append(errs, validateStatusUser(at.Child("user", "linux"), s.User.Linux, pod.Spec.OS)...)
		}
		if len(s.AllocatedResourcesStatus) > 0 {
			errs = append(errs, field.Forbidden(at.Child("allocatedResourcesStatus"), "must not be specified in container status"))
		}
	}
	return errs
}

// validateStatusUser checks a user of Linux, whose number may be any that Linux has: more than a pod may ask for.
func validateStatusUser(path *field.Path, user *corev1.LinuxContainerUser, os *corev1.PodOS) field.ErrorList {
	switch {
	case user == nil:
		return nil
	case os != nil && os.Name == corev1.Windows:
		return field.ErrorList{field.Forbidden(path, "cannot be set for a windows pod")}
	case os != nil && os.Name != corev1.Linux:
		return nil
	}
	var errs field.ErrorList
	if user.UID < 0 || user.UID > math.MaxUint32 {
		errs = append(errs, field.Invalid(path.Child("uid"), user.UID, fmt.Sprintf("must be between 0 and %d, inclusive", int64(math.MaxUint32))))
	}
	errs = append(errs, validation.Invalid(path.Child("gid"), user.GID, utilvalidation.IsValidGroupID(user.GID))...)
	for i, gid := range user.SupplementalGroups {
		errs = append(errs, validation.Invalid(path.Child("supplementalGroups").Index(i), gid, utilvalidation.IsValidGroupID(gid))...)
	}
	return errs
}

// validateGiven looks for what was given among what the container asks for.
func validateGiven(path *field.Path, name corev1.ResourceName, c *corev1.Container, status *corev1.PodStatus) field.ErrorList {
	if !strings.HasPrefix(string(name), "claim:") {
		if _, ok := c.Resources.Requests[name]; !ok {
			return field.ErrorList{field.Invalid(path, name, "must match one of the container's resource requests")}
		}
		return nil
	}
	claimed := func(claim, request string) bool {
		is := "claim:" + claim
		if request != "" {
			is += "/" + request
		}
		return string(name) == is
	}
	if slices.ContainsFunc(c.Resources.Claims, func(r corev1.ResourceClaim) bool { return claimed(r.Name, r.Request) }) {
		return nil
	}
	if s := status.ExtendedResourceClaimStatus; s != nil && slices.ContainsFunc(s.RequestMappings, func(m corev1.ContainerExtendedResourceRequest) bool {
		asked := c.Resources.Requests[corev1.ResourceName(m.ResourceName)]
		return m.ContainerName == c.Name && m.RequestName != "" && claimed(s.ResourceClaimName, m.RequestName) && !asked.IsZero()
	}) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' "+
		"when container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty")}
}

// validateHealth takes each device once.
func validateHealth(path *field.Path, resources []corev1.ResourceHealth) field.ErrorList {
	var errs field.ErrorList
	seen := validation.Unique{}
	for i, r := range resources {
		at := path.Index(i)
		errs = append(errs, validation.Supported(at.Child("health"), r.Health, corev1.ResourceHealthStatusHealthy,
			corev1.ResourceHealthStatusUnhealthy, corev1.ResourceHealthStatusUnknown)...)
		if m := r.Message; m != nil && *m == "" {
			errs = append(errs, field.Required(at.Child("message"), "must be non-empty if specified"))
		} else if m != nil && len(*m) > corev1.ResourceHealthMessageMaxLength {
			errs = append(errs, field.TooLong(at.Child("message"), *m, corev1.ResourceHealthMessageMaxLength))
		}
		errs = append(errs, seen.Add(at.Child("resourceID"), string(r.ResourceID))...)
	}
	return errs
}

// ValidateEnded finds the containers that had ended for good and are said to live again: those of the spec that is given, by their own
// restart policy and rules, or ephemeral ones, which are never restarted, where none is given.
func ValidateEnded(path *field.Path, is, was []corev1.ContainerStatus, spec *corev1.PodSpec, containers []corev1.Container) field.ErrorList {
	if spec != nil && anyRestartsAll(spec) {
		return nil
	}
	var errs field.ErrorList
	for i, old := range was {
		if old.State.Terminated == nil {
			continue
		}
		lives := func(s corev1.ContainerStatus) bool { return s.Name == old.Name && s.State.Terminated == nil }
		again := func(c corev1.Container) bool {
			return c.Name == old.Name && restarts(&c, spec.RestartPolicy, old.State.Terminated.ExitCode)
		}
		if slices.ContainsFunc(is, lives) && !slices.ContainsFunc(containers, again) {
			errs = append(errs, field.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state"))
		}
	}
	return errs
}

// anyRestartsAll reports whether the end of a container may restart all of the pod's, so that none ends for good.
func anyRestartsAll(spec *corev1.PodSpec) bool {
	return slices.ContainsFunc(slices.Concat(spec.InitContainers, spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.RestartPolicyRules, func(r corev1.ContainerRestartRule) bool {
			return r.Action == corev1.ContainerRestartRuleActionRestartAllContainers
		})
	})
}

// restarts reports whether the container is started again after that exit code: by the first of its rules that fits, its own policy, or the
// pod's.
func restarts(c *corev1.Container, policy corev1.RestartPolicy, exitCode int32) bool {
	if c.RestartPolicy != nil {
		for _, rule := range c.RestartPolicyRules {
			if codes := rule.ExitCodes; codes != nil &&
				(codes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) == slices.Contains(codes.Values, exitCode) {
				return true
			}
		}
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}
