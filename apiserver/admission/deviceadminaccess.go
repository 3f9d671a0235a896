package admission

import (
	"context"
	"fmt"

	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// deviceAdminAccess refuses claims for devices that others use already, where the namespace is not marked for those who look after
// devices. (Upstream's registries of claims and templates do so.)
type deviceAdminAccess struct{ reader Reader }

func (p deviceAdminAccess) validate(ctx context.Context, r *Request) error {
	path := asksForAdminAccess(r)
	if path == nil {
		return nil
	}
	if err := p.reader.Fresh(ctx); err != nil { // the label may have been given just now
		return err
	}
	if namespace, ok := p.reader.Get("", "namespaces", "", r.Namespace); ok &&
		namespace.GetLabels()[resourcev1.DRAAdminNamespaceLabelKey] == "true" {
		return nil
	}
	return apierrors.NewInvalid(r.Kind.GroupKind(), r.Name, field.ErrorList{field.Forbidden(path, fmt.Sprintf(
		"admin access to devices requires the `%s: true` label on the containing namespace", resourcev1.DRAAdminNamespaceLabelKey))})
}

// asksForAdminAccess is the first field that does, or nil. What was asked for, or given, is not asked for again.
func asksForAdminAccess(r *Request) *field.Path {
	switch obj := r.Object.(type) {
	case *resourcev1.ResourceClaim:
		if r.Verb == "update" && r.Subresource == "status" {
			return givesAdminAccess(&obj.Status, &r.Old.(*resourcev1.ResourceClaim).Status)
		}
		if r.Verb == "create" {
			return adminRequest(obj.Spec.Devices.Requests)
		}
	case *resourcev1.ResourceClaimTemplate:
		if r.Verb == "create" {
			return adminRequest(obj.Spec.Spec.Devices.Requests) // upstream names it by the path within a claim, too
		}
	}
	return nil
}

func adminRequest(requests []resourcev1.DeviceRequest) *field.Path {
	for i := range requests {
		if exactly := requests[i].Exactly; exactly != nil && ptr.Deref(exactly.AdminAccess, false) {
			return field.NewPath("spec", "devices", "requests").Index(i).Child("adminAccess")
		}
	}
	return nil
}

func givesAdminAccess(status, old *resourcev1.ResourceClaimStatus) *field.Path {
	granted := func(s *resourcev1.ResourceClaimStatus) *field.Path {
		if s.Allocation == nil {
			return nil
		}
		for i, result := range s.Allocation.Devices.Results {
			if ptr.Deref(result.AdminAccess, false) {
				return field.NewPath("status", "allocation", "devices", "results").Index(i).Child("adminAccess")
			}
		}
		return nil
	}
	if granted(old) != nil {
		return nil
	}
	return granted(status)
}
