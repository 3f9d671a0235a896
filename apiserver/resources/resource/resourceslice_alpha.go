package resource

import (
	"slices"

	resourcev1 "k8s.io/api/resource/v1"
)

// dropAlpha takes away what is alpha upstream and off, from a slice that did not have it before.
func dropAlpha(spec, was *resourcev1.ResourceSliceSpec) {
	if was.PartitionTypeAttribute == nil {
		spec.PartitionTypeAttribute = nil
	}
	if len(was.SkipNodeOperations) == 0 {
		spec.SkipNodeOperations = nil
	}
	groups := slices.ContainsFunc(was.Devices, groupsCounters)
	nodes := slices.ContainsFunc(was.Devices, func(d resourcev1.Device) bool { return len(d.NodeAllocatableResources) > 0 })
	lists := slices.ContainsFunc(was.Devices, func(d resourcev1.Device) bool { return listsAttributes(&d) })
	for i := range spec.Devices {
		d := &spec.Devices[i]
		if !groups {
			for j := range d.ConsumesCounters {
				d.ConsumesCounters[j].CompatibilityGroups = nil
			}
		}
		if !nodes {
			d.NodeAllocatableResources = nil
		}
		if !lists {
			for name, a := range d.Attributes {
				a.IntValues, a.BoolValues, a.StringValues, a.VersionValues = nil, nil, nil, nil
				d.Attributes[name] = a
			}
		}
	}
}

func groupsCounters(d resourcev1.Device) bool {
	return slices.ContainsFunc(d.ConsumesCounters, func(c resourcev1.DeviceCounterConsumption) bool { return len(c.CompatibilityGroups) > 0 })
}

func listsAttributes(d *resourcev1.Device) bool {
	for _, a := range d.Attributes {
		if a.IntValues != nil || a.BoolValues != nil || a.StringValues != nil || a.VersionValues != nil {
			return true
		}
	}
	return false
}

// attributeValues counts what the attributes of a device say; a list counts as many as it has.
func attributeValues(d *resourcev1.Device) int {
	n := 0
	for _, a := range d.Attributes {
		n += max(1, len(a.IntValues)+len(a.BoolValues)+len(a.StringValues)+len(a.VersionValues))
	}
	return n
}
