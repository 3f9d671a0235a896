package volumes

import (
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// image is a volume with the files of an image, which nobody writes to. The image is pulled before a container that mounts it
// starts, and the runtime keeps the files. https://kubernetes.io/docs/concepts/storage/volumes/#image
var image = row{
	name:  "image",
	has:   func(v *corev1.VolumeSource) bool { return v.Image != nil },
	mount: func(_ *corev1.VolumeSource, out *runtime.Mount) { out.ReadOnly = true },
}
