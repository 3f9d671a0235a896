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
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0), printers.Column("Secrets", "string", 0, corev1.ServiceAccount{}.SwaggerDoc()["secrets"]), printers.AgeColumn(),
		},
		Cells: resources.Cells(func(sa *corev1.ServiceAccount, now time.Time) []any {
			return []any{sa.Name, int64(len(sa.Secrets)), printers.Age(sa.CreationTimestamp, now)}
		}),
	}
}
