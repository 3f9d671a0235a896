package volumes

import (
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// emptyDir is a volume that begins empty and ends with the pod. The runtime keeps it.
// https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
var emptyDir = row{
	name:  "emptyDir",
	has:   func(v *corev1.VolumeSource) bool { return v.EmptyDir != nil },
	mount: func(*corev1.VolumeSource, *runtime.Mount) {},
}
