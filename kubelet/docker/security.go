package docker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet"
)

// effective is the container's security context over the pod's, as upstream merges them.
func effective(pod *corev1.Pod, c *corev1.Container) corev1.SecurityContext {
	var out corev1.SecurityContext
	if c.SecurityContext != nil {
		out = *c.SecurityContext
	}
	p := pod.Spec.SecurityContext
	if p == nil {
		return out
	}
	if out.RunAsUser == nil {
		out.RunAsUser = p.RunAsUser
	}
	if out.RunAsGroup == nil {
		out.RunAsGroup = p.RunAsGroup
	}
	if out.RunAsNonRoot == nil {
		out.RunAsNonRoot = p.RunAsNonRoot
	}
	if out.SeccompProfile == nil {
		out.SeccompProfile = p.SeccompProfile
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
	where := fmt.Sprintf("(pod: %q, container: %s)", pod.Name+"_"+pod.Namespace+"("+string(pod.UID)+")", c.Name)
	user, _, _ := strings.Cut(image, ":")
	number, err := strconv.ParseInt(user, 10, 64)
	switch {
	case security.RunAsUser != nil && *security.RunAsUser == 0:
		return &kubelet.ConfigError{Message: "container's runAsUser breaks non-root policy " + where}
	case security.RunAsUser != nil:
		return nil
	case user == "", user == "root", err == nil && number == 0:
		return &kubelet.ConfigError{Message: "container has runAsNonRoot and image will run as root " + where}
	case err != nil:
		return &kubelet.ConfigError{Message: fmt.Sprintf("container has runAsNonRoot and image has non-numeric user (%s), "+
			"cannot verify user is non-root %s", user, where)}
	}
	return nil
}

// secure sets what the container's process may do.
func secure(host *container.HostConfig, pod *corev1.Pod, c *corev1.Container) {
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
	if profile := security.SeccompProfile; profile == nil || profile.Type == corev1.SeccompProfileTypeUnconfined {
		// Upstream confines only whom a profile asks for.
		host.SecurityOpt = append(host.SecurityOpt, "seccomp=unconfined")
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
func (r *Runtime) imageUser(ctx context.Context, config kubelet.ContainerConfig) (string, error) {
	seen, err := r.engine.client.ImageInspect(ctx, strings.TrimPrefix(config.ImageID, scheme))
	if err != nil {
		return "", fmt.Errorf("looking at image %q: %w", config.Container.Image, err)
	}
	if seen.Config == nil {
		return "", nil
	}
	return seen.Config.User, nil
}
