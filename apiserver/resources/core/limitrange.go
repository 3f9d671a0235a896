package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func limitRanges() *resources.Resource {
	return &resources.Resource{
		Kind:       corev1.SchemeGroupVersion.WithKind("LimitRange"),
		Plural:     "limitranges",
		ShortNames: []string{"limits"},
		New:        func() resources.Object { return &corev1.LimitRange{} },
		NewList:    func() runtime.Object { return &corev1.LimitRangeList{} },
		Idle:       "no admission holds pods and claims to the limits, or gives them the defaults",
		Default:    resources.Each(defaultLimitRange),
		Validate:   resources.Check(func(l, _ *corev1.LimitRange) field.ErrorList { return validateLimitRange(l) }),
		Columns:    []metav1.TableColumnDefinition{printers.NameColumn(0), printers.CreatedColumn()},
		Cells: resources.Cells(func(l *corev1.LimitRange, _ time.Time) []any {
			return []any{l.Name, printers.Created(l.CreationTimestamp)}
		}),
	}
}

// defaultLimitRange completes what a container gets that names nothing itself: its limit is the highest that is
// allowed, its request the limit, or the lowest that is allowed.
func defaultLimitRange(l *corev1.LimitRange) {
	for i := range l.Spec.Limits {
		item := &l.Spec.Limits[i]
		for _, list := range []corev1.ResourceList{
			item.Max, item.Min, item.Default, item.DefaultRequest, item.MaxLimitRequestRatio,
		} {
			defaults.RoundUp(list)
		}
		if item.Type != corev1.LimitTypeContainer {
			continue
		}
		if item.Default == nil {
			item.Default = corev1.ResourceList{}
		}
		if item.DefaultRequest == nil {
			item.DefaultRequest = corev1.ResourceList{}
		}
		fillFrom(item.Default, item.Max)
		fillFrom(item.DefaultRequest, item.Default)
		fillFrom(item.DefaultRequest, item.Min)
	}
}

// fillFrom adds to a list what it does not have yet.
func fillFrom(list, from corev1.ResourceList) {
	for name, quantity := range from {
		if _, ok := list[name]; !ok {
			list[name] = quantity.DeepCopy()
		}
	}
}

func validateLimitRange(l *corev1.LimitRange) field.ErrorList {
	var errs field.ErrorList
	types := validation.Unique{}
	for i := range l.Spec.Limits {
		item, at := &l.Spec.Limits[i], field.NewPath("spec", "limits").Index(i)
		errs = append(errs, limitType(at.Child("type"), item.Type)...)
		errs = append(errs, types.Add(at.Child("type"), string(item.Type))...)
		errs = append(errs, validateLimitItem(at, item)...)
	}
	return errs
}

// limitType takes upstream's three, and those of others that carry a domain.
func limitType(path *field.Path, t corev1.LimitType) field.ErrorList {
	if wrong := utilvalidation.IsQualifiedName(string(t)); len(wrong) > 0 {
		return validation.Invalid(path, t, wrong)
	}
	known := []corev1.LimitType{corev1.LimitTypePod, corev1.LimitTypeContainer, corev1.LimitTypePersistentVolumeClaim}
	if !strings.Contains(string(t), "/") && !slices.Contains(known, t) {
		return field.ErrorList{field.Invalid(path, t, "must be a standard limit type or fully qualified")}
	}
	return nil
}

// limitLists are the lists of an item by their names in JSON, in upstream's order.
func limitLists(item *corev1.LimitRangeItem) []struct {
	name string
	list corev1.ResourceList
} {
	return []struct {
		name string
		list corev1.ResourceList
	}{
		{"max", item.Max}, {"min", item.Min}, {"default", item.Default}, {"defaultRequest", item.DefaultRequest},
		{"maxLimitRequestRatio", item.MaxLimitRequestRatio},
	}
}

func validateLimitItem(at *field.Path, item *corev1.LimitRangeItem) field.ErrorList {
	var errs field.ErrorList
	names := sets.New[corev1.ResourceName]()
	for _, l := range limitLists(item) {
		if item.Type == corev1.LimitTypePod && strings.HasPrefix(l.name, "default") {
			if len(l.list) > 0 {
				errs = append(errs, field.Forbidden(at.Child(l.name), "may not be specified when `type` is 'Pod'"))
			}
			continue
		}
		for _, name := range validation.SortedKeys(l.list) {
			errs = append(errs, limitedResource(at.Child(l.name).Key(string(name)), item.Type, name)...)
			names.Insert(name)
		}
	}
	_, lowest := item.Min[corev1.ResourceStorage]
	_, highest := item.Max[corev1.ResourceStorage]
	if item.Type == corev1.LimitTypePersistentVolumeClaim && !lowest && !highest {
		errs = append(errs, field.Required(at.Child("limits"),
			"either minimum or maximum storage value is required, but neither was provided"))
	}
	for _, name := range sets.List(names) {
		errs = append(errs, validateLimitOrder(at, item, name)...)
		errs = append(errs, validateLimitRatio(at.Child("maxLimitRequestRatio").Key(string(name)), item, name)...)
	}
	return errs
}

// limitedResource takes for pods and containers what a container may ask for, and any resource for other types.
func limitedResource(path *field.Path, t corev1.LimitType, name corev1.ResourceName) field.ErrorList {
	if t == corev1.LimitTypePod || t == corev1.LimitTypeContainer {
		return validation.ContainerResource(path, name)
	}
	return validation.ResourceName(path, name)
}

// validateLimitOrder asks that min <= defaultRequest <= default <= max. What cannot be shared has one number for a
// request and its limit.
func validateLimitOrder(at *field.Path, item *corev1.LimitRangeItem, name corev1.ResourceName) field.ErrorList {
	var errs field.ErrorList
	key := string(name)
	lowest, hasMin := item.Min[name]
	highest, hasMax := item.Max[name]
	limit, hasLimit := item.Default[name]
	request, hasRequest := item.DefaultRequest[name]
	if item.Type == corev1.LimitTypePod { // their defaults are refused already
		hasLimit, hasRequest = false, false
	}
	order := func(applies bool, low, high resource.Quantity, list string, value resource.Quantity, format string) {
		if applies && low.Cmp(high) > 0 {
			errs = append(errs, field.Invalid(at.Child(list).Key(key), value, fmt.Sprintf(format, low.String(), high.String())))
		}
	}
	order(hasMin && hasMax, lowest, highest, "min", lowest, "min value %s is greater than max value %s")
	order(hasRequest && hasMin, lowest, request, "defaultRequest", request,
		"min value %s is greater than default request value %s")
	order(hasRequest && hasMax, request, highest, "defaultRequest", request,
		"default request value %s is greater than max value %s")
	order(hasRequest && hasLimit, request, limit, "defaultRequest", request,
		"default request value %s is greater than default limit value %s")
	order(hasLimit && hasMin, lowest, limit, "default", lowest, "min value %s is greater than default value %s")
	order(hasLimit && hasMax, limit, highest, "default", highest, "default value %s is greater than max value %s")
	if hasLimit && hasRequest && !validation.MayOvercommit(name) && limit.Cmp(request) != 0 {
		errs = append(errs, field.Invalid(at.Child("defaultRequest").Key(key), request, fmt.Sprintf(
			"default value %s must equal to defaultRequest value %s in %s", limit.String(), request.String(), key)))
	}
	return errs
}

// validateLimitRatio asks for a ratio of limit and request that min and max leave room for.
func validateLimitRatio(path *field.Path, item *corev1.LimitRangeItem, name corev1.ResourceName) field.ErrorList {
	ratio, ok := item.MaxLimitRequestRatio[name]
	if !ok {
		return nil
	}
	var errs field.ErrorList
	if ratio.Cmp(*resource.NewQuantity(1, resource.DecimalSI)) < 0 {
		errs = append(errs, field.Invalid(path, ratio, fmt.Sprintf("ratio %s is less than 1", ratio.String())))
	}
	lowest, hasMin := item.Min[name]
	highest, hasMax := item.Max[name]
	if !hasMin || !hasMax {
		return errs
	}
	// As upstream, what is small enough is compared in thousandths.
	of, least, most := float64(ratio.Value()), lowest.Value(), highest.Value()
	if max(ratio.Value(), least, most) < resource.MaxMilliValue {
		of, least, most = float64(ratio.MilliValue())/1000, lowest.MilliValue(), highest.MilliValue()
	}
	if room := float64(most) / float64(least); of > room {
		errs = append(errs, field.Invalid(path, ratio,
			fmt.Sprintf("ratio %s is greater than max/min = %f", ratio.String(), room)))
	}
	return errs
}
