package resource

import (
	"fmt"
	"math"
	"strconv"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What claims may take of the capacity of a device that is given to several of them.

// validateCapacity checks a capacity; only a device that is shared says how it is.
func validateCapacity(path *field.Path, c *resourcev1.DeviceCapacity, shared bool) field.ErrorList {
	policy := c.RequestPolicy
	path = path.Child("requestPolicy")
	switch {
	case policy == nil:
		return nil
	case !shared:
		return field.ErrorList{field.Forbidden(path, "allowMultipleAllocations must be true")}
	case len(policy.ValidValues) > 0 && policy.ValidRange != nil:
		return field.ErrorList{field.Forbidden(path,
			`exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`)}
	case len(policy.ValidValues) > 0:
		if policy.Default == nil {
			return field.ErrorList{field.Required(path.Child("default"), "required when validValues is defined")}
		}
		return validateValues(path.Child("validValues"), policy.ValidValues, *policy.Default, c.Value)
	case policy.ValidRange != nil:
		if policy.Default == nil {
			return field.ErrorList{field.Required(path.Child("default"), "required when validRange is defined")}
		}
		return validateRange(path.Child("validRange"), policy.ValidRange, *policy.Default, c.Value)
	}
	return nil
}

// maxValues bounds the amounts that a policy lists.
const maxValues = 10

// validateValues takes amounts in order, none above the capacity, with the default among them.
func validateValues(path *field.Path, values []resource.Quantity, def, capacity resource.Quantity) field.ErrorList {
	var errs field.ErrorList
	for i := 1; i < len(values); i++ {
		if values[i-1].Cmp(values[i]) > 0 {
			errs = append(errs, field.Invalid(path.Index(i), values[i].String(), "values must be sorted in ascending order"))
		}
	}
	found := false
	errs = append(errs, set(path, values, maxValues,
		func(at *field.Path, v *resource.Quantity) field.ErrorList {
			found = found || v.Cmp(def) == 0
			if v.Cmp(capacity) <= 0 {
				return nil
			}
			return field.ErrorList{field.Invalid(at, v.String(), fmt.Sprintf("option is larger than capacity value: %s", capacity.String()))}
		}, func(v *resource.Quantity) string { return strconv.FormatInt(v.Value(), 10) })...)
	if !found {
		errs = append(errs, field.Invalid(path, def.String(), "default value is not valid according to the requestPolicy"))
	}
	return errs
}

// bound is one of the amounts that make a range, or nil.
type bound struct {
	name  string
	value *resource.Quantity
}

// validateRange takes a range within the capacity that the default is in, with steps that reach the default and the end.
func validateRange(path *field.Path, r *resourcev1.CapacityRequestPolicyRange, def, capacity resource.Quantity) field.ErrorList {
	if r.Min == nil {
		return field.ErrorList{field.Required(path.Child("min"), "required when validRange is defined")}
	}
	errs := validateEnds(path, r, def, capacity)
	if r.Step == nil {
		return errs
	}
	// 1. A step is one, and fits.
	step := path.Child("step")
	if r.Step.Sign() <= 0 {
		return append(errs, field.Invalid(step, r.Step.String(), "must be greater than zero"))
	}
	first := r.Min.DeepCopy()
	first.Add(*r.Step)
	if first.Cmp(capacity) > 0 {
		errs = append(errs, field.Invalid(step, r.Step.String(),
			fmt.Sprintf("one step %s is larger than capacity value: %s", first.String(), capacity.String())))
	}
	// 2. Steps from the smallest amount reach the default and the largest. They are counted in whole numbers: fractions round up.
	if wrong := notCountable(path, []bound{{"default", &def}, {"min", r.Min}, {"max", r.Max}, {"step", r.Step}}); len(wrong) > 0 {
		return append(errs, wrong...)
	}
	for _, value := range []*resource.Quantity{&def, r.Max} {
		if value != nil && (value.Value()-r.Min.Value())%r.Step.Value() != 0 {
			errs = append(errs, field.Invalid(step, value.String(),
				fmt.Sprintf("value is not a multiple of a given step (%s) from (%s)", r.Step.String(), r.Min.String())))
		}
	}
	return errs
}

func validateEnds(path *field.Path, r *resourcev1.CapacityRequestPolicyRange, def, capacity resource.Quantity) field.ErrorList {
	var errs field.ErrorList
	wrong := func(is bool, name string, value *resource.Quantity, than string, limit *resource.Quantity) {
		if is {
			errs = append(errs, field.Invalid(path.Child(name), value.String(), than+": "+limit.String()))
		}
	}
	wrong(r.Min.Cmp(capacity) > 0, "min", r.Min, "min is larger than capacity value", &capacity)
	wrong(def.Cmp(*r.Min) < 0, "default", &def, "default is less than min", r.Min)
	if r.Max != nil {
		wrong(r.Min.Cmp(*r.Max) > 0, "max", r.Min, "min is larger than max", r.Max)
		wrong(r.Max.Cmp(capacity) > 0, "max", r.Max, "max is larger than capacity value", &capacity)
		wrong(def.Cmp(*r.Max) > 0, "default", &def, "default is more than max", r.Max)
	}
	return errs
}

// notCountable refuses amounts that no int64 holds.
func notCountable(path *field.Path, bounds []bound) field.ErrorList {
	var errs field.ErrorList
	for _, b := range bounds {
		switch {
		case b.value == nil:
		case b.value.Sign() < 0:
			errs = append(errs, field.Invalid(path.Child(b.name), b.value.String(), apivalidation.IsNegativeErrorMsg))
		case b.value.CmpInt64(math.MaxInt64) > 0:
			errs = append(errs, field.Invalid(path.Child(b.name), b.value.String(), "must not be larger than 9223372036854775807"))
		}
	}
	return errs
}
