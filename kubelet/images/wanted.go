package images

import (
	corev1 "k8s.io/api/core/v1"
)

// Wanted is an image that has to be there before a container starts.
type Wanted struct {
	// Container is who wants it, Volume the volume of type image that it mounts and whose image it is; "" is the container's own.
	Container, Volume string
	Image             string
	Policy            corev1.PullPolicy
}

// WantedBy are the images that the container needs, its own last, as upstream pulls them.
// https://kubernetes.io/docs/concepts/storage/volumes/#image
func WantedBy(pod *corev1.Pod, c *corev1.Container) []Wanted {
	var out []Wanted
	for _, v := range pod.Spec.Volumes {
		if v.Image == nil || !mounts(c, v.Name) {
			continue
		}
		out = append(out, Wanted{Container: c.Name, Volume: v.Name, Image: v.Image.Reference,
			Policy: policy(v.Image.PullPolicy, v.Image.Reference)})
	}
	return append(out, Own(c))
}

// Own is the image that the container is made from.
func Own(c *corev1.Container) Wanted {
	return Wanted{Container: c.Name, Image: c.Image, Policy: Policy(c)}
}

// Key tells the pod's pulls apart: no container's name has a slash.
func (w Wanted) Key() string {
	if w.Volume == "" {
		return w.Container
	}
	return w.Container + "/" + w.Volume
}

func mounts(c *corev1.Container, volume string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return true
		}
	}
	return false
}
