package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func serviceAccounts() *Resource {
	return &Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		Plural:     "serviceaccounts",
		ShortNames: []string{"sa"},
		New:        func() Object { return &corev1.ServiceAccount{} },
		NewList:    func() runtime.Object { return &corev1.ServiceAccountList{} },
	}
}
