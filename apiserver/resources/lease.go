package resources

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func leases() *Resource {
	return &Resource{
		Kind:    coordinationv1.SchemeGroupVersion.WithKind("Lease"),
		Plural:  "leases",
		New:     func() Object { return &coordinationv1.Lease{} },
		NewList: func() runtime.Object { return &coordinationv1.LeaseList{} },
		Quiet:   true,
	}
}
