package volumes

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"minik.dev/kubelet/env"
)

// secret is a volume of the keys of a Secret. https://kubernetes.io/docs/concepts/storage/volumes/#secret
var secret = row{
	name:    "secret",
	has:     func(v *corev1.VolumeSource) bool { return v.Secret != nil },
	sources: func(v *corev1.VolumeSource) []source { return []source{{resource: secrets, name: v.Secret.SecretName}} },
	files: func(in Input, v *corev1.VolumeSource) ([]file, error) {
		return in.secret(v.Secret.SecretName, v.Secret.Items, v.Secret.Optional, modeOr(v.Secret.DefaultMode))
	},
}

var projectedSecret = projection{
	name:    "secret",
	has:     func(p *corev1.VolumeProjection) bool { return p.Secret != nil },
	sources: func(p *corev1.VolumeProjection) []source { return []source{{resource: secrets, name: p.Secret.Name}} },
	files: func(in Input, p *corev1.VolumeProjection, mode int32) ([]file, error) {
		return in.secret(p.Secret.Name, p.Secret.Items, p.Secret.Optional, mode)
	},
}

const secrets = "secrets"

var watchedSecret = object{
	kind: &corev1.Secret{},
	list: func(ctx context.Context, client kubernetes.Interface, namespace string, o metav1.ListOptions) (k8sruntime.Object, error) {
		return client.CoreV1().Secrets(namespace).List(ctx, o)
	},
	watch: func(ctx context.Context, client kubernetes.Interface, namespace string, o metav1.ListOptions) (watch.Interface, error) {
		return client.CoreV1().Secrets(namespace).Watch(ctx, o)
	},
	immutable: func(obj any) bool { s, ok := obj.(*corev1.Secret); return ok && ptr.Deref(s.Immutable, false) },
}

func (in Input) secret(name string, items []corev1.KeyToPath, may *bool, mode int32) ([]file, error) {
	s, err := in.References.Secret(name)
	if err != nil {
		return nil, env.Missing(err, may)
	}
	return filesOf(s.Data, items, ptr.Deref(may, false), mode, "references non-existent secret key: %s")
}
