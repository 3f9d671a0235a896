package resource

import (
	"encoding/json"
	"fmt"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// requestNames are the names of a claim's requests, each with those of its subrequests. Of two with one name the last counts.
type requestNames map[string]map[string]bool

func namesOf(d *resourcev1.DeviceClaim) requestNames {
	names := requestNames{}
	for i := range d.Requests {
		subrequests := map[string]bool{}
		for j := range d.Requests[i].FirstAvailable {
			subrequests[d.Requests[i].FirstAvailable[j].Name] = true
		}
		names[d.Requests[i].Name] = subrequests
	}
	return names
}

// has takes "request" and "request/subrequest".
func (names requestNames) has(ref string) bool {
	request, sub, divided := strings.Cut(ref, "/")
	subrequests, there := names[request]
	return there && (!divided || subrequests[sub])
}

const noSuchRequest = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

// validateRef takes the name of a request of the claim.
func (names requestNames) validateRef(path *field.Path, name *string) field.ErrorList {
	if strings.Count(*name, "/") > 1 {
		return field.ErrorList{field.Invalid(path, *name, noSuchRequest)}
	}
	var errs field.ErrorList
	for part := range strings.SplitSeq(*name, "/") {
		errs = append(errs, validation.DNSLabel(path, part)...)
	}
	if !names.has(*name) {
		errs = append(errs, field.Invalid(path, *name, noSuchRequest))
	}
	return errs
}

// validateRefs takes several of them.
func (names requestNames) validateRefs(path *field.Path, refs []string) field.ErrorList {
	return set(path, refs, resourcev1.DeviceRequestsMaxSize, names.validateRef, itself)
}

// validateDeviceClaim checks what a claim, or a template of claims, asks for.
func validateDeviceClaim(path *field.Path, d *resourcev1.DeviceClaim) field.ErrorList {
	names := namesOf(d)
	errs := mapped(path.Child("requests"), d.Requests, resourcev1.DeviceRequestsMaxSize, validateDeviceRequest,
		func(r *resourcev1.DeviceRequest) string { return r.Name })
	errs = append(errs, list(path.Child("constraints"), d.Constraints, resourcev1.DeviceConstraintsMaxSize,
		func(at *field.Path, c *resourcev1.DeviceConstraint) field.ErrorList {
			return validateConstraint(at, c, names)
		})...)
	return append(errs, list(path.Child("config"), d.Config, resourcev1.DeviceConfigMaxSize,
		func(at *field.Path, c *resourcev1.DeviceClaimConfiguration) field.ErrorList {
			return append(names.validateRefs(at.Child("requests"), c.Requests), validateDeviceConfig(at, &c.DeviceConfiguration, false)...)
		})...)
}

// validateDeviceRequest takes a request for one kind of device, or for the first of several that is to be had. Of a request that says
// both, upstream checks what its generated rules know of.
func validateDeviceRequest(path *field.Path, r *resourcev1.DeviceRequest) field.ErrorList {
	errs := validation.DNSLabel(path.Child("name"), r.Name)
	const one = "exactly one of `exactly` or `firstAvailable` is required"
	exactly, first := r.Exactly != nil, len(r.FirstAvailable) > 0
	switch {
	case !exactly && !first:
		return append(errs, field.Required(path, one))
	case exactly && first:
		errs = append(errs, field.Invalid(path, nil, one+", but multiple fields are set"))
	}
	if exactly {
		errs = append(errs, validateExactly(path.Child("exactly"), r.Exactly, first)...)
	}
	return append(errs, mapped(path.Child("firstAvailable"), r.FirstAvailable, resourcev1.FirstAvailableDeviceRequestMaxSize,
		func(at *field.Path, sub *resourcev1.DeviceSubRequest) field.ErrorList {
			return validateSubRequest(at, sub, exactly)
		},
		func(sub *resourcev1.DeviceSubRequest) string { return sub.Name })...)
}

func validateExactly(path *field.Path, r *resourcev1.ExactDeviceRequest, both bool) field.ErrorList {
	var errs field.ErrorList
	if !both && r.DeviceClassName == "" {
		errs = append(errs, field.Required(path.Child("deviceClassName"), ""))
	} else if !both {
		errs = append(errs, validation.DNSSubdomain(path.Child("deviceClassName"), r.DeviceClassName)...)
	}
	return append(errs, validateAsked(path, asked{r.Selectors, r.AllocationMode, r.Count, r.Tolerations}, both)...)
}

func validateSubRequest(path *field.Path, r *resourcev1.DeviceSubRequest, both bool) field.ErrorList {
	var errs field.ErrorList
	if !both {
		errs = append(errs, validation.DNSLabel(path.Child("name"), r.Name)...)
	}
	if r.DeviceClassName == "" {
		errs = append(errs, field.Required(path.Child("deviceClassName"), ""))
	} else {
		errs = append(errs, longName(path.Child("deviceClassName"), r.DeviceClassName)...)
	}
	return append(errs, validateAsked(path, asked{r.Selectors, r.AllocationMode, r.Count, r.Tolerations}, both)...)
}

// asked is what both forms of a request say.
type asked struct {
	selectors   []resourcev1.DeviceSelector
	mode        resourcev1.DeviceAllocationMode
	count       int64
	tolerations []resourcev1.DeviceToleration
}

func validateAsked(path *field.Path, a asked, both bool) field.ErrorList {
	var errs field.ErrorList
	if !both {
		errs = append(errs, validateSelectors(path.Child("selectors"), a.selectors, false)...)
	}
	count := path.Child("count")
	switch a.mode {
	case resourcev1.DeviceAllocationModeAll:
		if !both && a.count != 0 {
			errs = append(errs, field.Invalid(count, a.count, fmt.Sprintf("must not be specified when allocationMode is '%s'", a.mode)))
		}
	case resourcev1.DeviceAllocationModeExactCount:
		if !both && a.count <= 0 {
			errs = append(errs, field.Invalid(count, a.count, "must be greater than zero"))
		}
	default:
		errs = append(errs, validation.Supported(path.Child("allocationMode"), a.mode,
			resourcev1.DeviceAllocationModeAll, resourcev1.DeviceAllocationModeExactCount)...)
	}
	return append(errs, list(path.Child("tolerations"), a.tolerations, unbounded,
		func(at *field.Path, t *resourcev1.DeviceToleration) field.ErrorList {
			return validateDeviceToleration(at, t, both)
		})...)
}

// validateConstraint takes one rule that the devices of some requests have to keep to.
func validateConstraint(path *field.Path, c *resourcev1.DeviceConstraint, names requestNames) field.ErrorList {
	errs := names.validateRefs(path.Child("requests"), c.Requests)
	for _, attribute := range []struct {
		name  string
		value *resourcev1.FullyQualifiedName
	}{{"matchAttribute", c.MatchAttribute}, {"distinctAttribute", c.DistinctAttribute}} {
		if attribute.value != nil {
			errs = append(errs, fullyQualifiedName(path.Child(attribute.name), *attribute.value)...)
		}
	}
	if c.MatchAttribute == nil && c.DistinctAttribute == nil {
		errs = append(errs, field.Required(path,
			`exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set`)) // upstream's words
	}
	return errs
}

// validateDeviceConfig takes parameters for a driver, which are an object of whatever kind; those that are stored may be longer.
func validateDeviceConfig(path *field.Path, c *resourcev1.DeviceConfiguration, stored bool) field.ErrorList {
	path = path.Child("opaque")
	if c.Opaque == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := claimDriver(path.Child("driver"), c.Opaque.Driver)
	return append(errs, validateRaw(path.Child("parameters"), c.Opaque.Parameters, stored, resourcev1.OpaqueParametersMaxLength)...)
}

func validateRaw(path *field.Path, raw runtime.RawExtension, stored bool, most int) field.ErrorList {
	switch {
	case len(raw.Raw) == 0:
		return field.ErrorList{field.Required(path, "")}
	case !stored && len(raw.Raw) > most:
		return field.ErrorList{field.TooLong(path, "", most)}
	}
	var value any
	if err := json.Unmarshal(raw.Raw, &value); err != nil {
		return field.ErrorList{field.Invalid(path, "<value omitted>", fmt.Sprintf("error parsing data as JSON: %v", err))}
	}
	if value == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	if _, object := value.(map[string]any); !object {
		return field.ErrorList{field.Invalid(path, "<value omitted>", "must be a valid JSON object")}
	}
	return nil
}

// taintEffects are sorted as upstream names them.
var taintEffects = []resourcev1.DeviceTaintEffect{
	resourcev1.DeviceTaintEffectNoExecute, resourcev1.DeviceTaintEffectNoSchedule, resourcev1.DeviceTaintEffectNone,
}

// validateDeviceToleration checks a toleration; its value is not looked at where its request says too much.
func validateDeviceToleration(path *field.Path, t *resourcev1.DeviceToleration, both bool) field.ErrorList {
	var errs field.ErrorList
	if t.Key != "" {
		errs = append(errs, metav1validation.ValidateLabelName(t.Key, path.Child("key"))...)
	}
	switch t.Operator {
	case resourcev1.DeviceTolerationOpExists:
		if !both && t.Value != "" {
			errs = append(errs, field.Invalid(path.Child("value"), t.Value, "must be empty for operator `Exists`"))
		}
	case resourcev1.DeviceTolerationOpEqual:
		if !both {
			errs = append(errs, validation.Invalid(path.Child("value"), t.Value, utilvalidation.IsValidLabelValue(t.Value))...)
		}
	default:
		errs = append(errs, validation.OneOf(path.Child("operator"), t.Operator,
			resourcev1.DeviceTolerationOpEqual, resourcev1.DeviceTolerationOpExists)...)
	}
	if t.Effect != "" {
		errs = append(errs, validation.Supported(path.Child("effect"), t.Effect, taintEffects...)...)
	}
	return errs
}

// validateDeviceTaint checks a taint of a device or a rule; an effect that stays is not looked at again.
func validateDeviceTaint(path *field.Path, t, old *resourcev1.DeviceTaint) field.ErrorList {
	errs := metav1validation.ValidateLabelName(t.Key, path.Child("key"))
	errs = append(errs, validation.Invalid(path.Child("value"), t.Value, utilvalidation.IsValidLabelValue(t.Value))...)
	if old == nil || old.Effect != t.Effect {
		errs = append(errs, validation.OneOf(path.Child("effect"), t.Effect, taintEffects...)...)
	}
	return errs
}

func validateDeviceClass(c, old *resourcev1.DeviceClass) field.ErrorList {
	path, spec := field.NewPath("spec"), &c.Spec
	chosen := old != nil && equality.Semantic.DeepEqual(spec.Selectors, old.Spec.Selectors)
	errs := validateSelectors(path.Child("selectors"), spec.Selectors, chosen)
	configured := old != nil && equality.Semantic.DeepEqual(spec.Config, old.Spec.Config)
	errs = append(errs, list(path.Child("config"), spec.Config, resourcev1.DeviceConfigMaxSize,
		func(at *field.Path, c *resourcev1.DeviceClassConfiguration) field.ErrorList {
			return validateDeviceConfig(at, &c.DeviceConfiguration, configured)
		})...)
	if name := spec.ExtendedResourceName; name != nil {
		errs = append(errs, extendedResourceName(path.Child("extendedResourceName"), *name)...)
	}
	return errs
}
