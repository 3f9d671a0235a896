package framework

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ImageLocality prefers nodes that have the pod's images already. An image counts by its size and by the share of nodes
// that have it, so that pods do not heap up on the one node that pulled an image first.
var imageLocalityRow = plugin{
	name:      ImageLocality,
	reads:     []string{"spec.containers.image", "spec.initContainers.image"},
	key:       appendImages,
	prepare:   func(s *shape, _ *Profile, _ *Snapshot, pod *corev1.Pod) { s.images = podImages(pod) },
	compares:  &comparison{place: imageLocalityFacts, facts: imageSizes, feasibleOnly: true},
	weight:    1,
	normalize: scoreImages,
}

func appendImages(b []byte, p *Profile, pod *corev1.Pod) []byte {
	if p.Weights[ImageLocality] > 0 {
		for _, image := range podImages(pod) {
			b = appendWord(b, image)
		}
	}
	return b
}

// Sums of sizes up to the first are worth nothing, and from the second on, for each container, no more.
const (
	minImages          = 23 * 1024 * 1024
	maxImagesContainer = 1000 * 1024 * 1024
)

// podImages are the names of the containers' images.
func podImages(pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.InitContainers {
		names = append(names, imageName(pod.Spec.InitContainers[i].Image))
	}
	for i := range pod.Spec.Containers {
		names = append(names, imageName(pod.Spec.Containers[i].Image))
	}
	return names
}

// imageName is the image as nodes report it: one without tag or digest is the latest.
func imageName(image string) string {
	if strings.LastIndex(image, ":") <= strings.LastIndex(image, "/") {
		return image + ":latest"
	}
	return image
}

// nodeImages are the sizes of the images that the node has, by each of their names.
func nodeImages(node *corev1.Node) map[string]int64 {
	if len(node.Status.Images) == 0 {
		return nil
	}
	sizes := map[string]int64{}
	for _, image := range node.Status.Images {
		for _, name := range image.Names {
			sizes[name] = image.SizeBytes
		}
	}
	return sizes
}

// setImages notes which images the node has, and on how many nodes each is.
func (s *Snapshot) setImages(n *NodeInfo, sizes map[string]int64) {
	for name := range n.images {
		if s.imageNodes[name]--; s.imageNodes[name] == 0 {
			delete(s.imageNodes, name)
		}
	}
	n.images = sizes
	for name := range sizes {
		s.imageNodes[name]++
	}
}

// imageSizes are the sizes of the pod's images on the node, 0 for those that it lacks; nil where it has none.
func imageSizes(s *shape, n *NodeInfo, _ []bool) []fact {
	var sizes []fact
	for i, name := range s.images {
		if size, ok := n.images[name]; ok {
			if sizes == nil {
				sizes = make([]fact, len(s.images))
			}
			sizes[i].count = size
		}
	}
	return sizes
}

// scoreImages sets the scores. They depend on all nodes that have an image, so they are worked out anew each time.
func scoreImages(v view, standings []standing, at int) {
	nodes := float64(len(v.snapshot.Nodes()))
	for g, group := range v.groups {
		sizes := group.facts[imageLocalityFacts]
		if standings[g].rejection != nil || sizes == nil {
			continue
		}
		var sum int64
		for i, size := range sizes {
			sum += int64(float64(size.count) * (float64(v.snapshot.imageNodes[v.shape.images[i]]) / nodes))
		}
		most := int64(maxImagesContainer * len(v.shape.images))
		standings[g].raws[at] = sum
		standings[g].scores[at] = MaxScore * (min(max(sum, minImages), most) - minImages) / (most - minImages)
	}
}
