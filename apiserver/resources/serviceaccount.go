package resources

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func serviceAccounts() *Resource {
	return &Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		Plural:        "serviceaccounts",
		Awaited:       true,
		ShortNames:    []string{"sa"},
		New:           func() Object { return &corev1.ServiceAccount{} },
		NewList:       func() runtime.Object { return &corev1.ServiceAccountList{} },
		ReturnDeleted: true,
		Columns: []metav1.TableColumnDefinition{
			nameColumn(0), column("Secrets", "string", 0, corev1.ServiceAccount{}.SwaggerDoc()["secrets"]), ageColumn(),
		},
		Cells: cells(func(sa *corev1.ServiceAccount, now time.Time) []any {
			return []any{sa.Name, int64(len(sa.Secrets)), age(sa.CreationTimestamp, now)}
		}),
	}
}
