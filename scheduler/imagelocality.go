package scheduler

import (
	"encoding/binary"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ImageLocality prefers nodes that have the pod's images already. An image counts by its size and by the share of
// nodes that have it, so that pods do not heap up on the one node that pulled an image first.

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

// imagesOf are the sizes of the pod's images on the node, 0 for those that it has not; nil where it has none.
func imagesOf(s *shape, n *NodeInfo) []int64 {
	var sizes []int64
	for i, name := range s.images {
		if size, ok := n.images[name]; ok {
			if sizes == nil {
				sizes = make([]int64, len(s.images))
			}
			sizes[i] = size
		}
	}
	return sizes
}

// scoreImages sets the scores. They depend on all nodes that have an image, so they are worked out anew each time.
func scoreImages(v view, standings []standing, at int) {
	nodes := float64(len(v.snapshot.Nodes()))
	for g, group := range v.groups {
		if standings[g].rejection != nil || group.images == nil {
			continue
		}
		var sum int64
		for i, size := range group.images {
			sum += int64(float64(size) * (float64(v.snapshot.imageNodes[v.shape.images[i]]) / nodes))
		}
		most := int64(maxImagesContainer * len(v.shape.images))
		standings[g].raws[at] = sum
		standings[g].scores[at] = maxScore * (min(max(sum, minImages), most) - minImages) / (most - minImages)
	}
}

func imagesKey(sizes []int64) string {
	var b []byte
	for _, size := range sizes {
		b = binary.AppendVarint(b, size)
	}
	return string(b)
}
