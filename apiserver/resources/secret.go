package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func secrets() *Resource {
	return &Resource{
		Kind:    corev1.SchemeGroupVersion.WithKind("Secret"),
		Plural:  "secrets",
		New:     func() Object { return &corev1.Secret{} },
		NewList: func() runtime.Object { return &corev1.SecretList{} },
	}
}
