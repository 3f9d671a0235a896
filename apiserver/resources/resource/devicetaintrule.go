package resource

import (
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func deviceTaintRules() *resources.Resource {
	return &resources.Resource{
		Kind:          resourcev1.SchemeGroupVersion.WithKind("DeviceTaintRule"),
		Plural:        "devicetaintrules",
		NameOnce:      true,
		ClusterScoped: true,
		New:           func() resources.Object { return &resourcev1.DeviceTaintRule{} },
		NewList:       func() runtime.Object { return &resourcev1.DeviceTaintRuleList{} },
		Conditional:   true,
		Prepare: resources.Pair(func(r, old *resourcev1.DeviceTaintRule) {
			if old == nil {
				r.Generation = 1
			} else if !equality.Semantic.DeepEqual(r.Spec, old.Spec) { // before it is noted when
				r.Generation = old.Generation + 1
			}
		}),
		Subresources: []resources.Subresource{
			resources.Status(func(r, body *resourcev1.DeviceTaintRule) { r.Status = body.Status },
				func(r, _ *resourcev1.DeviceTaintRule) field.ErrorList { return validateTaintRuleStatus(r) }, "metadata"),
		},
		Stamp:    resources.Stamp(stampTaintRule),
		Idle:     "the scheduler gives no pod a device, so it keeps none from being given",
		Validate: resources.Check(validateDeviceTaintRule),
		Columns:  taintRuleColumns(),
		Cells: resources.Cells(func(r *resourcev1.DeviceTaintRule, now time.Time) []any {
			taint := &r.Spec.Taint
			added := ptr.Deref(taint.TimeAdded, metav1.NewTime(now)) // nobody has said since when, so it is since now
			return []any{r.Name, taint.Key, taint.Value, string(taint.Effect), printers.Age(added, now), printers.Age(r.CreationTimestamp, now)}
		}),
	}
}

// stampTaintRule notes since when the taint has its effect, unless its writer says so.
func stampTaintRule(r, old *resourcev1.DeviceTaintRule, w resources.Write) {
	taint := &r.Spec.Taint
	stampTaint(taint, w.Now)
	if old != nil && taint.Effect != old.Spec.Taint.Effect && taint.TimeAdded.Equal(old.Spec.Taint.TimeAdded) {
		taint.TimeAdded = &w.Now
	}
}

// stampTaint notes when a taint came, where nobody did.
func stampTaint(taint *resourcev1.DeviceTaint, now metav1.Time) {
	if taint.TimeAdded == nil {
		taint.TimeAdded = &now
	}
}

func taintRuleColumns() []metav1.TableColumnDefinition {
	doc := resourcev1.DeviceTaint{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Key", "string", 0, doc["key"]),
		printers.Column("Value", "string", 0, doc["value"]),
		printers.Column("Effect", "string", 0, doc["effect"]),
		printers.Column("TimeAdded", "string", 0, doc["timeAdded"]),
		printers.AgeColumn(),
	}
}

func validateDeviceTaintRule(r, old *resourcev1.DeviceTaintRule) field.ErrorList {
	var was *resourcev1.DeviceTaint
	if old != nil {
		was = &old.Spec.Taint
	}
	errs := validateDeviceTaint(field.NewPath("spec", "taint"), &r.Spec.Taint, was)
	chosen := r.Spec.DeviceSelector
	if chosen == nil {
		return errs
	}
	path := field.NewPath("spec", "deviceSelector")
	if chosen.Driver != nil {
		errs = append(errs, validateDriver(path.Child("driver"), *chosen.Driver)...)
	}
	if chosen.Pool != nil {
		errs = append(errs, validatePoolName(path.Child("pool"), *chosen.Pool)...)
	}
	if chosen.Device != nil {
		errs = append(errs, validation.DNSLabel(path.Child("device"), *chosen.Device)...)
	}
	return errs
}

// maxRuleConditions bounds what a controller may say of a rule.
const maxRuleConditions = resourcev1.DeviceTaintRuleStatusMaxConditions

func validateTaintRuleStatus(r *resourcev1.DeviceTaintRule) field.ErrorList {
	path, conditions := field.NewPath("status", "conditions"), r.Status.Conditions
	errs := metav1validation.ValidateConditions(conditions, path)
	if len(conditions) > maxRuleConditions {
		errs = append(errs, field.TooMany(path, len(conditions), maxRuleConditions))
	}
	return errs
}
