package resource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

func validateResourceSlice(s, old *resourcev1.ResourceSlice) field.ErrorList {
	path, spec := field.NewPath("spec"), &s.Spec
	errs := validateDriver(path.Child("driver"), spec.Driver)
	errs = append(errs, validatePool(path.Child("pool"), &spec.Pool)...)
	var was []resourcev1.Device
	if old != nil {
		errs = append(errs, validation.Immutable(path.Child("pool", "name"), spec.Pool.Name, old.Spec.Pool.Name)...)
		errs = append(errs, validation.Immutable(path.Child("driver"), spec.Driver, old.Spec.Driver)...)
		errs = append(errs, validation.Immutable(path.Child("nodeName"), spec.NodeName, old.Spec.NodeName)...)
		was = old.Spec.Devices
	}
	errs = append(errs, validateReach(path, spec)...)
	if spec.SharedCounters != nil && spec.Devices != nil {
		errs = append(errs, field.Invalid(path, "", "only one of `sharedCounters` or `devices` is allowed"))
	}
	most := resourcev1.ResourceSliceMaxDevices
	if slices.ContainsFunc(spec.Devices, advanced) {
		most = resourcev1.ResourceSliceMaxDevicesWithAdvancedFeatures
	}
	errs = append(errs, set(path.Child("devices"), spec.Devices, most, func(at *field.Path, d *resourcev1.Device) field.ErrorList {
		var before *resourcev1.Device
		if i := slices.IndexFunc(was, func(o resourcev1.Device) bool { return o.Name == d.Name }); i >= 0 {
			before = &was[i]
		}
		return validateDevice(at, d, before, ptr.Deref(spec.PerDeviceNodeSelection, false))
	}, func(d *resourcev1.Device) string { return d.Name })...)
	errs = append(errs, mapped(path.Child("sharedCounters"), spec.SharedCounters, resourcev1.ResourceSliceMaxCounterSets,
		func(at *field.Path, c *resourcev1.CounterSet) field.ErrorList {
			return validateCounters(at, "name", c.Name, c.Counters, resourcev1.ResourceSliceMaxCountersPerCounterSet)
		}, func(c *resourcev1.CounterSet) string { return c.Name })...)
	return append(errs, validateSkips(path.Child("skipNodeOperations"), spec.SkipNodeOperations)...)
}

// advanced tells devices of which a slice has room for fewer.
func advanced(d resourcev1.Device) bool {
	return len(d.Taints) > 0 || len(d.ConsumesCounters) > 0 || listsAttributes(&d)
}

func validatePool(path *field.Path, p *resourcev1.ResourcePool) field.ErrorList {
	errs := validatePoolName(path.Child("name"), p.Name)
	if p.ResourceSliceCount <= 0 {
		errs = append(errs, field.Invalid(path.Child("resourceSliceCount"), p.ResourceSliceCount, "must be greater than zero"))
	}
	if p.Generation < 0 {
		errs = append(errs, field.Invalid(path.Child("generation"), p.Generation, "must be greater than or equal to zero"))
	}
	return errs
}

// validateReach takes one answer to the question from which nodes the devices can be had.
func validateReach(path *field.Path, spec *resourcev1.ResourceSliceSpec) field.ErrorList {
	var errs field.ErrorList
	var said []string
	if node := spec.NodeName; node != nil && *node == "" {
		errs = append(errs, field.Invalid(path.Child("nodeName"), *node, "must be either unset or set to a non-empty string"))
	} else if node != nil {
		said = append(said, "`nodeName`")
		errs = append(errs, validation.DNSSubdomain(path.Child("nodeName"), *node)...)
	}
	if s := spec.NodeSelector; s != nil {
		said = append(said, "`nodeSelector`")
		errs = append(errs, podspec.ValidateNodeSelector(path.Child("nodeSelector"), s)...)
		if len(s.NodeSelectorTerms) != 1 {
			errs = append(errs, field.Invalid(path.Child("nodeSelector", "nodeSelectorTerms"), s.NodeSelectorTerms,
				"must have exactly one node selector term"))
		}
	}
	for _, flag := range []struct {
		name string
		set  *bool
	}{{"allNodes", spec.AllNodes}, {"perDeviceNodeSelection", spec.PerDeviceNodeSelection}} {
		switch {
		case flag.set == nil:
		case *flag.set:
			said = append(said, "`"+flag.name+"`")
		default:
			errs = append(errs, field.Invalid(path.Child(flag.name), *flag.set, "must be either unset or set to true"))
		}
	}
	return append(errs, exactlyOne(path, said,
		"exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required", ", but multiple fields are set")...)
}

// exactlyOne refuses none of several fields, and more than one.
func exactlyOne(path *field.Path, said []string, required, several string) field.ErrorList {
	switch len(said) {
	case 0:
		return field.ErrorList{field.Required(path, required)}
	case 1:
		return nil
	}
	return field.ErrorList{field.Invalid(path, "{"+strings.Join(said, ", ")+"}", required+several)}
}

// validateDevice checks a device; capacity and taints that it had before are not looked at again.
func validateDevice(path *field.Path, d, old *resourcev1.Device, ownNodes bool) field.ErrorList {
	errs := validation.DNSLabel(path.Child("name"), d.Name)
	if n := len(d.Attributes) + len(d.Capacity); n > resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice {
		errs = append(errs, field.Invalid(path, n, fmt.Sprintf("the total number of attributes and capacities must not exceed %d",
			resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice)))
	}
	if n := attributeValues(d); n > resourcev1.ResourceSliceMaxAttributeValuesPerDevice {
		errs = append(errs, field.Invalid(path, n, fmt.Sprintf("the total number of attribute values must not exceed %d",
			resourcev1.ResourceSliceMaxAttributeValuesPerDevice)))
	}
	attributes := path.Child("attributes")
	errs = append(errs, keyed(attributes, d.Attributes, unbounded, validateQualifiedName,
		func(at *field.Path, name resourcev1.QualifiedName, a *resourcev1.DeviceAttribute) field.ErrorList {
			return validateAttribute(at, attributes.Key(string(name)), a)
		})...)
	if old == nil || !equality.Semantic.DeepEqual(old.Capacity, d.Capacity) {
		shared := ptr.Deref(d.AllowMultipleAllocations, false)
		errs = append(errs, keyed(path.Child("capacity"), d.Capacity, unbounded, validateQualifiedName,
			func(at *field.Path, _ resourcev1.QualifiedName, c *resourcev1.DeviceCapacity) field.ErrorList {
				return validateCapacity(at, c, shared)
			})...)
	}
	if old == nil || !equality.Semantic.DeepEqual(old.Taints, d.Taints) {
		errs = append(errs, list(path.Child("taints"), d.Taints, resourcev1.DeviceTaintsMaxLength,
			func(at *field.Path, t *resourcev1.DeviceTaint) field.ErrorList {
				return validateDeviceTaint(at, t, nil)
			})...)
	}
	errs = append(errs, mapped(path.Child("consumesCounters"), d.ConsumesCounters, resourcev1.ResourceSliceMaxDeviceCounterConsumptionsPerDevice,
		func(at *field.Path, c *resourcev1.DeviceCounterConsumption) field.ErrorList {
			return validateCounters(at, "counterSet", c.CounterSet, c.Counters, resourcev1.ResourceSliceMaxCountersPerDeviceCounterConsumption)
		}, func(c *resourcev1.DeviceCounterConsumption) string { return c.CounterSet })...)
	errs = append(errs, validateDeviceReach(path, d, ownNodes)...)
	return append(errs, validateBinding(path, d.BindingConditions, d.BindingFailureConditions)...)
}

// validateDeviceReach does for a device what validateReach does for the slice, where the slice leaves it to its devices.
func validateDeviceReach(path *field.Path, d *resourcev1.Device, own bool) field.ErrorList {
	if !own {
		if d.NodeName == nil && d.NodeSelector == nil && d.AllNodes == nil {
			return nil
		}
		return field.ErrorList{field.Invalid(path, nil,
			"`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec")}
	}
	var errs field.ErrorList
	var said []string
	if node := d.NodeName; node != nil && *node == "" {
		errs = append(errs, field.Invalid(path.Child("nodeName"), *node, "must not be empty"))
	} else if node != nil {
		said = append(said, "`nodeName`")
		errs = append(errs, validation.DNSSubdomain(path.Child("nodeName"), *node)...)
	}
	if d.NodeSelector != nil {
		said = append(said, "`nodeSelector`")
		errs = append(errs, podspec.ValidateNodeSelector(path.Child("nodeSelector"), d.NodeSelector)...)
	}
	if all := d.AllNodes; all != nil && *all {
		said = append(said, "`allNodes`")
	} else if all != nil {
		errs = append(errs, field.Invalid(path.Child("allNodes"), *all, "must be either unset or set to true"))
	}
	return append(errs, exactlyOne(path, said,
		"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec", "")...)
}

// validateCounters checks a set of counters, or what a device takes of one; name is the field that names the set.
func validateCounters(path *field.Path, name, set string, counters map[string]resourcev1.Counter, most int) field.ErrorList {
	errs := validation.Required(path.Child(name), set)
	if set != "" {
		errs = shortName(path.Child(name), set)
	}
	if len(counters) == 0 {
		return append(errs, field.Required(path.Child("counters"), ""))
	}
	return append(errs, keyed(path.Child("counters"), counters, most, shortName,
		func(*field.Path, string, *resourcev1.Counter) field.ErrorList { return nil })...)
}

// version is that of semver.org, 2.0.0.
var version = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
	`(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?` +
	`(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$`)

// validateAttribute takes one value, of one of four types. Lists of them are alpha upstream, and dropped before.
// The whole path is that with the whole name, where path has it shortened.
func validateAttribute(path, whole *field.Path, a *resourcev1.DeviceAttribute) field.ErrorList {
	var errs field.ErrorList
	text := func(at *field.Path, value string) {
		if len(value) > resourcev1.DeviceAttributeMaxValueLength {
			errs = append(errs, field.TooLong(at, "", resourcev1.DeviceAttributeMaxValueLength))
		}
	}
	var said []string
	if a.IntValue != nil {
		said = append(said, "int")
	}
	if a.BoolValue != nil {
		said = append(said, "bool")
	}
	if a.StringValue != nil {
		said = append(said, "string")
		text(path.Child("string"), *a.StringValue)
	}
	if a.VersionValue != nil {
		said = append(said, "version")
		if !version.MatchString(*a.VersionValue) {
			errs = append(errs, field.Invalid(path.Child("version"), *a.VersionValue,
				"must be a string compatible with semver.org spec 2.0.0"))
		}
		text(path.Child("version"), *a.VersionValue)
	}
	wrong := oneValue(whole, said)
	if len(wrong) > 0 && whole.String() != path.String() { // upstream takes it for another mistake
		errs = append(errs, field.Invalid(path, "", "exactly one value must be specified"))
	}
	return append(errs, wrong...)
}

// oneValue refuses no value at all, and several, in the words of upstream's generated check.
func oneValue(path *field.Path, said []string) field.ErrorList {
	const types = "`int`, `bool`, `string`, `version`, `ints`, `bools`, `strings`, `versions`"
	switch len(said) {
	case 0:
		return field.ErrorList{field.Invalid(path, "", "must specify one of: "+types)}
	case 1:
		return nil
	}
	return field.ErrorList{field.Invalid(path, "{"+strings.Join(said, ", ")+"}", "must specify exactly one of: "+types)}
}

// validateBinding takes conditions that a device has to have before its pod starts, and those that say that it never will.
func validateBinding(path *field.Path, ready, failed []string) field.ErrorList {
	label := func(at *field.Path, c *string) field.ErrorList { return metav1validation.ValidateLabelName(*c, at) }
	readyPath, failedPath := path.Child("bindingConditions"), path.Child("bindingFailureConditions")
	errs := list(readyPath, ready, resourcev1.BindingConditionsMaxSize, label)
	errs = append(errs, list(failedPath, failed, resourcev1.BindingFailureConditionsMaxSize, label)...)
	seen, seenFailed := validation.Unique{}, validation.Unique{}
	for i, c := range ready {
		errs = append(errs, seen.Add(readyPath.Index(i), c)...)
	}
	for i, c := range failed {
		errs = append(errs, seenFailed.Add(failedPath.Index(i), c)...)
		if slices.Contains(ready, c) {
			errs = append(errs, field.Invalid(failedPath.Index(i), c, "bindingFailureConditions must not overlap with bindingConditions"))
		}
	}
	if len(ready) == 0 && len(failed) > 0 {
		errs = append(errs, field.Invalid(readyPath, ready, "bindingConditions are required to use bindingFailureConditions"))
	}
	if len(failed) == 0 && len(ready) > 0 {
		errs = append(errs, field.Invalid(failedPath, failed, "bindingFailureConditions are required to use bindingConditions"))
	}
	return errs
}

// validateSkips refuses to skip the beginning of something that is ended all the same.
func validateSkips(path *field.Path, skips []resourcev1.SkipNodeOperation) field.ErrorList {
	has := func(op resourcev1.SkipNodeOperation) bool { return slices.Contains(skips, op) }
	if has(resourcev1.SkipNodeOperationNodePrepareResources) && !has(resourcev1.SkipNodeOperationNodeUnprepareResources) &&
		!has(resourcev1.SkipNodeOperationAll) {
		return field.ErrorList{field.Invalid(path, skips,
			"NodePrepareResources cannot be skipped unless NodeUnprepareResources is also skipped")}
	}
	return nil
}
