package sim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// PullImage is runtime.Runtime's: an image is there once it was pulled, or where Options.Images names it.
func (r *Runtime) PullImage(ctx context.Context, request runtime.PullRequest, pulling func()) (string, error) {
	image := request.Image
	b, err := behaviourOf(request.Pod, request.Container)
	if err != nil {
		// The same error is told when the container starts, where it belongs.
		b = behaviour{}
	}
	exists := named(r.options.Images, image)
	r.mu.Lock()
	_, pulled := r.images[image]
	r.mu.Unlock()
	present := exists || pulled
	id := ImageID(image)
	switch {
	case present && request.Policy != corev1.PullAlways && b.pullError == "":
		return id, nil
	case request.Policy == corev1.PullNever:
		return "", images.NeverPulled(image)
	}
	pulling()
	delay := r.someTime()
	if b.pullDelay != nil {
		delay = *b.pullDelay
	}
	timer := r.options.Clock.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C():
	}
	if why := b.missing(image, exists); why != "" {
		return "", errors.New(why)
	}
	r.mu.Lock()
	r.images[image] = b.size()
	r.mu.Unlock()
	return id, nil
}

// Images is runtime.ImageLister's: what the node's pods have pulled, by the short name and by the full one.
func (r *Runtime) Images(context.Context) ([]corev1.ContainerImage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sizes := map[string]int64{}
	for text, size := range r.images {
		if ref, err := reference.ParseNormalizedNamed(text); err == nil {
			full := reference.TagNameOnly(ref).String()
			sizes[full] = max(sizes[full], size)
		}
	}
	out := []corev1.ContainerImage{}
	for _, full := range slices.Sorted(maps.Keys(sizes)) {
		image := corev1.ContainerImage{Names: []string{full}, SizeBytes: sizes[full]}
		if ref, err := reference.ParseNormalizedNamed(full); err == nil && reference.FamiliarString(ref) != full {
			image.Names = append(image.Names, reference.FamiliarString(ref))
		}
		out = append(out, image)
	}
	return out, nil
}

// ImageID is the image's as a simulated container's status has it.
func ImageID(image string) string {
	return fmt.Sprintf("sim://sha256:%x", sha256.Sum256([]byte(image)))
}

// missing says why the image cannot be pulled, or "". exists says that a setting makes it exist.
func (b behaviour) missing(image string, exists bool) string {
	if b.pullError != "" {
		return fmt.Sprintf("failed to pull image %q: %s", image, b.pullError)
	}
	if why := refused(image); why != "" && !exists {
		return fmt.Sprintf("failed to pull and unpack image %q: %s (simulated; --sim-images %s makes it exist)", image, why, image)
	}
	return ""
}

// named says that one of the patterns matches the image, with or without its tag.
func named(patterns []string, image string) bool {
	bare := image
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		bare = image[:i]
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return matches(pattern, image) || matches(pattern, bare)
	})
}

// matches compares s with a pattern in which * stands for any text.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// reserved are the domains that nobody can register (RFC 2606, RFC 6761), so no registry is ever there.
var reserved = []string{"invalid", "example", "test", "example.com", "example.org", "example.net"}

// refused says why the image could not be pulled anywhere, or "".
func refused(image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return err.Error()
	}
	host, _, _ := strings.Cut(reference.Domain(ref), ":")
	for _, domain := range reserved {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return fmt.Sprintf("failed to resolve reference: dial tcp: lookup %s: no such host", host)
		}
	}
	for _, part := range strings.Split(reference.Path(ref), "/") {
		if strings.HasPrefix(part, "your-") {
			return "pull access denied, repository does not exist or may require authorization: " +
				"a name that starts with \"your-\" stands for an image of your own"
		}
	}
	return ""
}

// knownPorts are the TCP ports that well-known images say they listen on (their EXPOSE), by the last part of their name.
var knownPorts = map[string]int32{
	"nginx": 80, "httpd": 80, "caddy": 80, "whoami": 80, "wordpress": 80,
	"tomcat": 8080, "hello-app": 8080, "echoserver": 8080, "http-echo": 5678,
	"redis": 6379, "mysql": 3306, "mariadb": 3306, "postgres": 5432, "mongo": 27017, "rabbitmq": 5672, "memcached": 11211,
}

// exposed is the port that the image is known for.
func exposed(image string) (port int32, ok bool) {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return 0, false
	}
	path := reference.Path(ref)
	port, ok = knownPorts[path[strings.LastIndexByte(path, '/')+1:]]
	return port, ok
}
