package resource

import (
	"slices"

	resourcev1 "k8s.io/api/resource/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// device names a device, or a share of one.
type device struct{ driver, pool, name, share string }

func allocated(s *resourcev1.ResourceClaimStatus) map[device]bool {
	devices := map[device]bool{}
	if s.Allocation != nil {
		for _, r := range s.Allocation.Devices.Results {
			devices[device{r.Driver, r.Pool, r.Device, string(ptr.Deref(r.ShareID, ""))}] = true
		}
	}
	return devices
}

func reported(d *resourcev1.AllocatedDeviceStatus) device {
	return device{d.Driver, d.Pool, d.Device, ptr.Deref(d.ShareID, "")}
}

// applyClaimStatus writes what the scheduler and drivers say. What drivers said of devices that are given back goes with them, so that
// whoever gives them back need not know of it; and fields that are alpha upstream are left out where nobody had them.
func applyClaimStatus(c, body *resourcev1.ResourceClaim) {
	was, is := allocated(&c.Status), allocated(&body.Status)
	skips := skipsNode(c)
	c.Status = body.Status
	c.Status.Devices = slices.DeleteFunc(slices.Clone(c.Status.Devices), func(d resourcev1.AllocatedDeviceStatus) bool {
		return was[reported(&d)] && !is[reported(&d)]
	})
	if len(c.Status.Devices) == 0 {
		c.Status.Devices = nil
	}
	if !skips && c.Status.Allocation != nil {
		c.Status.Allocation = c.Status.Allocation.DeepCopy()
		for i := range c.Status.Allocation.Devices.Results {
			c.Status.Allocation.Devices.Results[i].SkipNodeOperations = nil
		}
	}
}

func skipsNode(c *resourcev1.ResourceClaim) bool {
	return c.Status.Allocation != nil && slices.ContainsFunc(c.Status.Allocation.Devices.Results,
		func(r resourcev1.DeviceRequestAllocationResult) bool { return len(r.SkipNodeOperations) > 0 })
}

func validateClaimStatus(c, old *resourcev1.ResourceClaim) field.ErrorList {
	path, status, was := field.NewPath("status"), &c.Status, &old.Status
	reserved := path.Child("reservedFor")
	errs := mapped(reserved, status.ReservedFor, resourcev1.ResourceClaimReservedForMaxSize, validateConsumer,
		func(r *resourcev1.ResourceClaimConsumerReference) string { return string(r.UID) })
	devices := allocated(status)
	errs = append(errs, mapped(path.Child("devices"), status.Devices, unbounded,
		func(at *field.Path, d *resourcev1.AllocatedDeviceStatus) field.ErrorList {
			return validateDeviceStatus(at, d, devices)
		}, reported)...)
	switch {
	case len(status.ReservedFor) == 0:
	case status.Allocation == nil:
		errs = append(errs, field.Forbidden(reserved, "may not be specified when `allocated` is not set"))
	case c.DeletionTimestamp != nil && slices.ContainsFunc(status.ReservedFor,
		func(r resourcev1.ResourceClaimConsumerReference) bool { return !slices.Contains(was.ReservedFor, r) }):
		errs = append(errs, field.Forbidden(reserved,
			"new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"))
	}
	switch {
	case status.Allocation == nil:
	case was.Allocation == nil:
		errs = append(errs, validateAllocation(path.Child("allocation"), status.Allocation, namesOf(&c.Spec.Devices))...)
	default:
		errs = append(errs, validation.Immutable(path.Child("allocation"), status.Allocation, was.Allocation)...)
	}
	return errs
}

func validateConsumer(path *field.Path, r *resourcev1.ResourceClaimConsumerReference) field.ErrorList {
	errs := validation.Required(path.Child("resource"), r.Resource)
	errs = append(errs, validation.Required(path.Child("name"), r.Name)...)
	return append(errs, validation.Required(path.Child("uid"), string(r.UID))...)
}

// validateAllocation checks what a claim is given, when it is given.
func validateAllocation(path *field.Path, a *resourcev1.AllocationResult, names requestNames) field.ErrorList {
	at := path.Child("devices")
	errs := list(at.Child("results"), a.Devices.Results, resourcev1.AllocationResultsMaxSize,
		func(at *field.Path, r *resourcev1.DeviceRequestAllocationResult) field.ErrorList {
			return validateResult(at, r, names)
		})
	errs = append(errs, list(at.Child("config"), a.Devices.Config, 2*resourcev1.DeviceConfigMaxSize, // of the class and of the claim
		func(at *field.Path, c *resourcev1.DeviceAllocationConfiguration) field.ErrorList {
			errs := validation.OneOf(at.Child("source"), c.Source, resourcev1.AllocationConfigSourceClaim, resourcev1.AllocationConfigSourceClass)
			errs = append(errs, names.validateRefs(at.Child("requests"), c.Requests)...)
			return append(errs, validateDeviceConfig(at, &c.DeviceConfiguration, false)...)
		})...)
	if a.NodeSelector != nil {
		errs = append(errs, podspec.ValidateNodeSelector(path.Child("nodeSelector"), a.NodeSelector)...)
	}
	return errs
}

func validateResult(path *field.Path, r *resourcev1.DeviceRequestAllocationResult, names requestNames) field.ErrorList {
	errs := names.validateRef(path.Child("request"), &r.Request)
	errs = append(errs, claimDriver(path.Child("driver"), r.Driver)...)
	if r.Pool == "" {
		errs = append(errs, field.Required(path.Child("pool"), ""))
	} else {
		errs = append(errs, claimPoolName(path.Child("pool"), r.Pool)...)
	}
	errs = append(errs, validation.DNSLabel(path.Child("device"), r.Device)...)
	errs = append(errs, validateBinding(path, r.BindingConditions, r.BindingFailureConditions)...)
	errs = append(errs, list(path.Child("tolerations"), r.Tolerations, unbounded,
		func(at *field.Path, t *resourcev1.DeviceToleration) field.ErrorList {
			return validateDeviceToleration(at, t, false)
		})...)
	if r.ShareID != nil {
		errs = append(errs, validateUUID(path.Child("shareID"), string(*r.ShareID))...)
	}
	return append(errs, validateSkips(path.Child("skipNodeOperations"), r.SkipNodeOperations)...)
}

// validateDeviceStatus checks what a driver says of a device that the claim was given.
func validateDeviceStatus(path *field.Path, d *resourcev1.AllocatedDeviceStatus, given map[device]bool) field.ErrorList {
	errs := validateDriver(path.Child("driver"), d.Driver)
	errs = append(errs, validatePoolName(path.Child("pool"), d.Pool)...)
	errs = append(errs, validation.DNSLabel(path.Child("device"), d.Device)...)
	if d.ShareID != nil {
		errs = append(errs, validateUUID(path.Child("shareID"), *d.ShareID)...)
	}
	if id := reported(d); !given[id] {
		errs = append(errs, field.Invalid(path, id.driver+"/"+id.pool+"/"+id.name, "must be an allocated device in the claim"))
	}
	if len(d.Conditions) > resourcev1.AllocatedDeviceStatusMaxConditions {
		errs = append(errs, field.TooMany(path.Child("conditions"), len(d.Conditions), resourcev1.AllocatedDeviceStatusMaxConditions))
	}
	errs = append(errs, metav1validation.ValidateConditions(d.Conditions, path.Child("conditions"))...)
	if d.Data != nil && len(d.Data.Raw) > 0 {
		errs = append(errs, validateRaw(path.Child("data"), *d.Data, false, resourcev1.AllocatedDeviceStatusDataMaxLength)...)
	}
	if d.NetworkData != nil {
		errs = append(errs, validateNetworkData(path.Child("networkData"), d.NetworkData)...)
	}
	return errs
}

func validateNetworkData(path *field.Path, n *resourcev1.NetworkDeviceData) field.ErrorList {
	var errs field.ErrorList
	if len(n.InterfaceName) > resourcev1.NetworkDeviceDataInterfaceNameMaxLength {
		errs = append(errs, field.TooLong(path.Child("interfaceName"), "", resourcev1.NetworkDeviceDataInterfaceNameMaxLength))
	}
	if len(n.HardwareAddress) > resourcev1.NetworkDeviceDataHardwareAddressMaxLength {
		errs = append(errs, field.TooLong(path.Child("hardwareAddress"), "", resourcev1.NetworkDeviceDataHardwareAddressMaxLength))
	}
	return append(errs, set(path.Child("ips"), n.IPs, resourcev1.NetworkDeviceDataMaxIPs, func(at *field.Path, ip *string) field.ErrorList {
		return utilvalidation.IsValidInterfaceAddress(at, *ip)
	}, itself)...)
}
