package core

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func resourceQuotas() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("ResourceQuota"),
		Plural:        "resourcequotas",
		NameOnce:      true,
		ShortNames:    []string{"quota"},
		New:           func() resources.Object { return &corev1.ResourceQuota{} },
		NewList:       func() runtime.Object { return &corev1.ResourceQuotaList{} },
		ReturnDeleted: true,
		Idle:          "no admission refuses what is above it, and no controller counts what is used",
		Subresources: []resources.Subresource{
			resources.Status(func(q, body *corev1.ResourceQuota) { q.Status = body.Status },
				func(q, _ *corev1.ResourceQuota) field.ErrorList { return validateQuotaStatus(&q.Status) }),
		},
		Default: resources.Each(func(q *corev1.ResourceQuota) {
			defaults.RoundUp(q.Spec.Hard)
			defaults.RoundUp(q.Status.Hard)
			defaults.RoundUp(q.Status.Used)
		}),
		Validate: resources.Check(validateResourceQuota),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Request", "string", 0,
				"Request represents a minimum amount of cpu/memory that a container may consume."),
			printers.Column("Limit", "string", 0, "Limits control the maximum amount of cpu/memory that a container may use "+
				"independent of contention on the node."),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(resourceQuotaCells),
	}
}

// quotaResources are the short names that a quota may bound.
var quotaResources = validation.StandardResources.Difference(sets.New[corev1.ResourceName]("storage"))

func isQuotaResource(name corev1.ResourceName) bool {
	return quotaResources.Has(name) || validation.IsHugePages(name) || validation.IsHugePagesRequest(name)
}

// quotaResource takes what a quota may bound: the short names, and with a domain extended resources
// ("requests.nvidia.com/gpu"), storage classes ("gold.storageclass.storage.k8s.io/requests.storage") and counts of any
// kind ("count/deployments.apps").
func quotaResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	errs := validation.ResourceName(path, name)
	if !strings.Contains(string(name), "/") && !isQuotaResource(name) {
		errs = append(errs, field.Invalid(path, name, "must be a standard resource for quota"))
	}
	return errs
}

func quotaList(path *field.Path, list corev1.ResourceList) field.ErrorList {
	var errs field.ErrorList
	for _, name := range validation.SortedKeys(list) {
		errs = append(errs, quotaResource(path.Key(string(name)), name)...)
		errs = append(errs, validation.Quantity(path.Key(string(name)), name, list[name])...)
	}
	return errs
}

func validateResourceQuota(q, old *corev1.ResourceQuota) field.ErrorList {
	path := field.NewPath("spec")
	errs := quotaList(path.Child("hard"), q.Spec.Hard)
	errs = append(errs, validateQuotaScopes(path.Child("scopes"), &q.Spec)...)
	errs = append(errs, validateScopeSelector(path.Child("scopeSelector", "matchExpressions"), &q.Spec)...)
	if old != nil && !sets.New(q.Spec.Scopes...).Equal(sets.New(old.Spec.Scopes...)) {
		errs = append(errs, field.Invalid(path.Child("scopes"), q.Spec.Scopes, "field is immutable"))
	}
	return errs
}

func validateQuotaStatus(s *corev1.ResourceQuotaStatus) field.ErrorList {
	path := field.NewPath("status")
	return append(quotaList(path.Child("hard"), s.Hard), quotaList(path.Child("used"), s.Used)...)
}

// scopeCounts says what a quota of the scope can bound: a quota of some pods counts those pods and what they ask for,
// one of some claims counts claims.
var scopeCounts = map[corev1.ResourceQuotaScope]sets.Set[corev1.ResourceName]{
	corev1.ResourceQuotaScopeTerminating:               ofPods,
	corev1.ResourceQuotaScopeNotTerminating:            ofPods,
	corev1.ResourceQuotaScopeBestEffort:                sets.New[corev1.ResourceName]("pods"),
	corev1.ResourceQuotaScopeNotBestEffort:             ofPods,
	corev1.ResourceQuotaScopePriorityClass:             ofPods,
	corev1.ResourceQuotaScopeCrossNamespacePodAffinity: ofPods,
	corev1.ResourceQuotaScopeVolumeAttributesClass: sets.New[corev1.ResourceName]("persistentvolumeclaims",
		"requests.storage"),
}

var ofPods = sets.New[corev1.ResourceName]("pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu",
	"limits.memory")

// opposites are scopes that nothing is in together.
var opposites = [][2]corev1.ResourceQuotaScope{
	{corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort},
	{corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating},
}

// countsOther lists the resources of the quota that mean nothing in the scope, sorted.
func countsOther(scope corev1.ResourceQuotaScope, hard corev1.ResourceList) []corev1.ResourceName {
	var other []corev1.ResourceName
	counts, known := scopeCounts[scope]
	if !known {
		return nil
	}
	for _, name := range validation.SortedKeys(hard) {
		if isQuotaResource(name) && !counts.Has(name) {
			other = append(other, name)
		}
	}
	return other
}

func conflicting(path *field.Path, scopes sets.Set[corev1.ResourceQuotaScope], value any) field.ErrorList {
	var errs field.ErrorList
	for _, pair := range opposites {
		if scopes.HasAll(pair[0], pair[1]) {
			errs = append(errs, field.Invalid(path, value, "conflicting scopes"))
		}
	}
	return errs
}

func validateQuotaScopes(path *field.Path, spec *corev1.ResourceQuotaSpec) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[corev1.ResourceQuotaScope]()
	for _, scope := range spec.Scopes {
		if seen.Has(scope) { // what is wrong with it has been said, for each resource
			continue
		}
		seen.Insert(scope)
		if _, known := scopeCounts[scope]; !known {
			errs = append(errs, field.Invalid(path, spec.Scopes, "unsupported scope"))
		}
		for range countsOther(scope, spec.Hard) {
			errs = append(errs, field.Invalid(path, spec.Scopes, "unsupported scope applied to resource"))
		}
	}
	return append(errs, conflicting(path, sets.New(spec.Scopes...), spec.Scopes)...)
}

func validateScopeSelector(path *field.Path, spec *corev1.ResourceQuotaSpec) field.ErrorList {
	if spec.ScopeSelector == nil {
		return nil
	}
	var errs field.ErrorList
	scopes := sets.New[corev1.ResourceQuotaScope]()
	for _, r := range spec.ScopeSelector.MatchExpressions {
		again := scopes.Has(r.ScopeName)
		scopes.Insert(r.ScopeName)
		if _, known := scopeCounts[r.ScopeName]; !known {
			errs = append(errs, field.Invalid(path.Child("scopeName"), r.ScopeName, "unsupported scope"))
		}
		if !again { // else it has been said, for each resource
			for range countsOther(r.ScopeName, spec.Hard) {
				errs = append(errs, field.Invalid(path, spec.ScopeSelector, "unsupported scope applied to resource"))
			}
		}
		errs = append(errs, validateScopeOperator(path, r)...)
	}
	return append(errs, conflicting(path, scopes, spec.Scopes)...)
}

// validateScopeOperator asks a scope that has no values to be there, and one that has values to name them or not.
func validateScopeOperator(path *field.Path, r corev1.ScopedResourceSelectorRequirement) field.ErrorList {
	var errs field.ErrorList
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeBestEffort, corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopeTerminating,
		corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		if r.Operator != corev1.ScopeSelectorOpExists {
			errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "must be 'Exists' when scope is any of "+
				"ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "+
				"ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"))
		}
	}
	switch r.Operator {
	case corev1.ScopeSelectorOpIn, corev1.ScopeSelectorOpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(path.Child("values"),
				"must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
		}
	case corev1.ScopeSelectorOpExists, corev1.ScopeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			errs = append(errs, field.Invalid(path.Child("values"), r.Values,
				"must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
		}
	default:
		errs = append(errs, field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator"))
	}
	return errs
}

// resourceQuotaCells shows what is used of what the status says is allowed, limits apart from the rest.
func resourceQuotaCells(q *corev1.ResourceQuota, now time.Time) []any {
	var requests, limits []string
	for _, name := range validation.SortedKeys(q.Status.Hard) {
		hard, used := q.Status.Hard[name], q.Status.Used[name]
		one := fmt.Sprintf("%s: %s/%s", name, used.String(), hard.String())
		if strings.HasPrefix(string(name), "limits.") {
			limits = append(limits, one)
		} else {
			requests = append(requests, one)
		}
	}
	return []any{q.Name, strings.Join(requests, ", "), strings.Join(limits, ", "), printers.Age(q.CreationTimestamp, now)}
}
