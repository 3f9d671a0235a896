package core

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func serviceAccounts() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		Plural:        "serviceaccounts",
		Awaited:       true,
		ShortNames:    []string{"sa"},
		New:           func() resources.Object { return &corev1.ServiceAccount{} },
		NewList:       func() runtime.Object { return &corev1.ServiceAccountList{} },
		ReturnDeleted: true,
		Prepare: resources.Pair(func(sa, _ *corev1.ServiceAccount) {
			for i, secret := range sa.Secrets {
				sa.Secrets[i] = corev1.ObjectReference{Name: secret.Name} // nothing else means anything here
			}
		}),
		Warn:    resources.Warn(warnServiceAccount),
		Columns: []metav1.TableColumnDefinition{printers.NameColumn(0), printers.AgeColumn()},
		Cells: resources.Cells(func(sa *corev1.ServiceAccount, now time.Time) []any {
			return []any{sa.Name, printers.Age(sa.CreationTimestamp, now)}
		}),
	}
}

// enforceMountableSecrets is the annotation that once kept pods from mounting other secrets than those of their account.
const enforceMountableSecrets = "kubernetes.io/enforce-mountable-secrets"

func warnServiceAccount(sa, old *corev1.ServiceAccount) []string {
	_, is := sa.Annotations[enforceMountableSecrets]
	if old != nil {
		if _, was := old.Annotations[enforceMountableSecrets]; was {
			return nil
		}
	}
	if !is {
		return nil
	}
	return []string{"metadata.annotations[" + enforceMountableSecrets + "]: deprecated in v1.32+; prefer separate namespaces to isolate " +
		"access to mounted secrets"}
}
