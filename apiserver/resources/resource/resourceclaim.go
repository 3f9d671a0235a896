package resource

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// unallocated says what is missing for claims.
const unallocated = "the scheduler allocates no devices, and no driver on a node makes them ready"

func resourceClaims() *resources.Resource {
	return &resources.Resource{
		Kind:          resourcev1.SchemeGroupVersion.WithKind("ResourceClaim"),
		Plural:        "resourceclaims",
		New:           func() resources.Object { return &resourcev1.ResourceClaim{} },
		NewList:       func() runtime.Object { return &resourcev1.ResourceClaimList{} },
		ReturnDeleted: true,
		Subresources:  []resources.Subresource{resources.Status(applyClaimStatus, validateClaimStatus, "metadata")},
		Default: resources.Each(func(c *resourcev1.ResourceClaim) {
			defaultDeviceClaim(&c.Spec.Devices)
			if c.Status.Allocation == nil {
				return
			}
			for i := range c.Status.Allocation.Devices.Config {
				readable(&c.Status.Allocation.Devices.Config[i].DeviceConfiguration)
			}
			for i := range c.Status.Allocation.Devices.Results {
				defaultTolerations(c.Status.Allocation.Devices.Results[i].Tolerations)
			}
		}),
		Prepare: resources.Pair(func(c, old *resourcev1.ResourceClaim) {
			if old == nil || !derives(&old.Spec.Devices) {
				dropDerived(&c.Spec.Devices)
			}
		}),
		Idle: unallocated,
		Validate: resources.Check(func(c, old *resourcev1.ResourceClaim) field.ErrorList {
			if old != nil && equality.Semantic.DeepEqual(c.Spec, old.Spec) {
				return nil // it has been checked before
			}
			if old != nil {
				return field.ErrorList{field.Invalid(field.NewPath("spec"), nil, apivalidation.FieldImmutableErrorMsg)}
			}
			return validateDeviceClaim(field.NewPath("spec", "devices"), &c.Spec.Devices)
		}),
		Warn: resources.Warn(func(c, _ *resourcev1.ResourceClaim) []string {
			return warnDeviceClaim(field.NewPath("spec", "devices"), &c.Spec.Devices)
		}),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("State", "string", 0, "A summary of the current state (allocated, pending, reserved, etc.)."),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(c *resourcev1.ResourceClaim, now time.Time) []any {
			return []any{c.Name, claimState(c), printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

// claimState is how far the claim has got: "allocated,reserved".
func claimState(c *resourcev1.ResourceClaim) string {
	var states []string
	deleted, allocated := c.DeletionTimestamp != nil, c.Status.Allocation != nil
	if deleted {
		states = append(states, "deleted")
	}
	if !deleted && !allocated {
		states = append(states, "pending")
	}
	if allocated {
		states = append(states, "allocated")
		if len(c.Status.ReservedFor) > 0 {
			states = append(states, "reserved")
		}
	}
	return strings.Join(states, ",")
}

// defaultDeviceClaim asks for one device where nobody says how many.
func defaultDeviceClaim(d *resourcev1.DeviceClaim) {
	for i := range d.Config {
		readable(&d.Config[i].DeviceConfiguration)
	}
	for i := range d.Requests {
		if exactly := d.Requests[i].Exactly; exactly != nil {
			defaultCount(&exactly.AllocationMode, &exactly.Count)
			defaultTolerations(exactly.Tolerations)
		}
		for j := range d.Requests[i].FirstAvailable {
			sub := &d.Requests[i].FirstAvailable[j]
			defaultCount(&sub.AllocationMode, &sub.Count)
			defaultTolerations(sub.Tolerations)
		}
	}
}

// readable makes UTF-8 of what a driver is told, as of every other text: it is kept as it came, and nobody could read it in JSON.
func readable(c *resourcev1.DeviceConfiguration) {
	if c.Opaque != nil && !utf8.Valid(c.Opaque.Parameters.Raw) {
		c.Opaque.Parameters.Raw = bytes.ToValidUTF8(c.Opaque.Parameters.Raw, []byte("\uFFFD"))
	}
}

func defaultCount(mode *resourcev1.DeviceAllocationMode, count *int64) {
	if *mode == "" {
		*mode = resourcev1.DeviceAllocationModeExactCount
	}
	if *mode == resourcev1.DeviceAllocationModeExactCount && *count == 0 {
		*count = 1
	}
}

func defaultTolerations(tolerations []resourcev1.DeviceToleration) {
	for i := range tolerations {
		if tolerations[i].Operator == "" {
			tolerations[i].Operator = resourcev1.DeviceTolerationOpEqual
		}
	}
}

// derives reports whether a request has attributes of its own making: alpha upstream, and taken away where nobody had them.
func derives(d *resourcev1.DeviceClaim) bool {
	for i := range d.Requests {
		if exactly := d.Requests[i].Exactly; exactly != nil && len(exactly.DerivedAttributes) > 0 {
			return true
		}
		for j := range d.Requests[i].FirstAvailable {
			if len(d.Requests[i].FirstAvailable[j].DerivedAttributes) > 0 {
				return true
			}
		}
	}
	return false
}

func dropDerived(d *resourcev1.DeviceClaim) {
	for i := range d.Requests {
		if exactly := d.Requests[i].Exactly; exactly != nil {
			exactly.DerivedAttributes = nil
		}
		for j := range d.Requests[i].FirstAvailable {
			d.Requests[i].FirstAvailable[j].DerivedAttributes = nil
		}
	}
}
