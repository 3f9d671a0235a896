package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/seccomp"
)

// effective is the container's security context over the pod's, as upstream merges them.
func effective(pod *corev1.Pod, c *corev1.Container) corev1.SecurityContext {
	var out corev1.SecurityContext
	if c.SecurityContext != nil {
		out = *c.SecurityContext
	}
	out.SeccompProfile = seccomp.ProfileOf(pod, c)
	p := pod.Spec.SecurityContext
	if p == nil {
		return out
	}
	if out.RunAsUser == nil {
		out.RunAsUser = p.RunAsUser
	}
	if out.AppArmorProfile == nil {
		out.AppArmorProfile = p.AppArmorProfile
	}
	if out.RunAsGroup == nil {
		out.RunAsGroup = p.RunAsGroup
	}
	if out.RunAsNonRoot == nil {
		out.RunAsNonRoot = p.RunAsNonRoot
	}
	return out
}

// userOf is the user and group of the container's process in the engine's form; "" is the image's own.
func userOf(pod *corev1.Pod, c *corev1.Container, image string) string {
	security := effective(pod, c)
	user := ""
	if security.RunAsUser != nil {
		user = strconv.FormatInt(*security.RunAsUser, 10)
	}
	if security.RunAsGroup == nil {
		return user
	}
	if user == "" {
		user, _, _ = strings.Cut(image, ":")
	}
	if user == "" {
		user = "0"
	}
	return user + ":" + strconv.FormatInt(*security.RunAsGroup, 10)
}

// verifyNonRoot refuses a container that must not run as root and would, or might, in upstream's words.
func verifyNonRoot(pod *corev1.Pod, c *corev1.Container, image string) error {
	security := effective(pod, c)
	if security.RunAsNonRoot == nil || !*security.RunAsNonRoot {
		return nil
	}
	where := fmt.Sprintf("(pod: %q, container: %s)", runtime.PodRef(pod), c.Name)
	user, _, _ := strings.Cut(image, ":")
	number, err := strconv.ParseInt(user, 10, 64)
	switch {
	case security.RunAsUser != nil && *security.RunAsUser == 0:
		return &runtime.ConfigError{Err: errors.New("container's runAsUser breaks non-root policy " + where)}
	case security.RunAsUser != nil:
		return nil
	case user == "", user == "root", err == nil && number == 0:
		return &runtime.ConfigError{Err: errors.New("container has runAsNonRoot and image will run as root " + where)}
	case err != nil:
		return &runtime.ConfigError{Err: fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), "+
			"cannot verify user is non-root %s", user, where)}
	}
	return nil
}

// seccompOption is the engine's word for a container's seccomp profile; "" is the engine's own profile. A privileged
// container gets none: the engine confines it as little as upstream's runtimes do.
func seccompOption(security corev1.SecurityContext, local string) string {
	profile := security.SeccompProfile
	switch {
	case isTrue(security.Privileged) || profile == nil:
		return ""
	case profile.Type == corev1.SeccompProfileTypeUnconfined:
		return "seccomp=unconfined"
	case profile.Type == corev1.SeccompProfileTypeLocalhost:
		return "seccomp=" + local
	}
	return ""
}

// appArmorOption is the engine's word for a container's AppArmor profile; "" is the engine's own profile.
func appArmorOption(profile *corev1.AppArmorProfile) string {
	switch {
	case profile == nil:
	case profile.Type == corev1.AppArmorProfileTypeUnconfined:
		return "apparmor=unconfined"
	case profile.Type == corev1.AppArmorProfileTypeLocalhost && profile.LocalhostProfile != nil:
		return "apparmor=" + *profile.LocalhostProfile
	}
	return ""
}

// verifyAppArmor refuses a container that asks to be confined by AppArmor where the engine has none, in upstream's words.
func verifyAppArmor(pod *corev1.Pod, c *corev1.Container, supported bool) error {
	profile := effective(pod, c).AppArmorProfile
	if supported || profile == nil || profile.Type == corev1.AppArmorProfileTypeUnconfined {
		return nil
	}
	return &runtime.ConfigError{Err: errors.New("Cannot enforce AppArmor: AppArmor is not enabled on the host")}
}

// secure sets what the container's process may do.
func secure(host *container.HostConfig, config runtime.ContainerConfig) {
	pod, c := config.Pod, config.Container
	security := effective(pod, c)
	host.Privileged = isTrue(security.Privileged)
	host.ReadonlyRootfs = isTrue(security.ReadOnlyRootFilesystem)
	if security.Capabilities != nil {
		for _, capability := range security.Capabilities.Add {
			host.CapAdd = append(host.CapAdd, string(capability))
		}
		for _, capability := range security.Capabilities.Drop {
			host.CapDrop = append(host.CapDrop, string(capability))
		}
	}
	if security.AllowPrivilegeEscalation != nil && !*security.AllowPrivilegeEscalation {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	for _, option := range []string{seccompOption(security, config.Seccomp), appArmorOption(security.AppArmorProfile)} {
		if option != "" {
			host.SecurityOpt = append(host.SecurityOpt, option)
		}
	}
	if p := pod.Spec.SecurityContext; p != nil {
		for _, group := range p.SupplementalGroups {
			host.GroupAdd = append(host.GroupAdd, strconv.FormatInt(group, 10))
		}
		if p.FSGroup != nil {
			host.GroupAdd = append(host.GroupAdd, strconv.FormatInt(*p.FSGroup, 10))
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

// imageUser is the user that the container's image names.
func (r *Runtime) imageUser(ctx context.Context, config runtime.ContainerConfig) (string, error) {
	seen, err := r.engine.client.ImageInspect(ctx, strings.TrimPrefix(config.ImageID, scheme))
	if err != nil {
		return "", fmt.Errorf("looking at image %q: %w", config.Container.Image, err)
	}
	if seen.Config == nil {
		return "", nil
	}
	return seen.Config.User, nil
}
