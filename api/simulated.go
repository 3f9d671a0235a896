package api

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Simulated is the key of the label, with the value "true", and of the taint of nodes that are there for scale alone.
// One agent serves all of them, and nothing listens at their addresses.
const Simulated = "minik.dev/simulated"

// The annotation by which KWOK, upstream's simulator, finds its nodes.
const (
	KWOKNode = "kwok.x-k8s.io/node"
	KWOKFake = "fake"
)

// IsSimulated says that the node is there for scale alone.
func IsSimulated(node metav1.Object) bool {
	return node.GetLabels()[Simulated] == "true" || node.GetAnnotations()[KWOKNode] == KWOKFake
}
