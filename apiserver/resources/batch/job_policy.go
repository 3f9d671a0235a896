package batch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/validation"
)

// What a Job makes of pods that fail and of indexes that succeed.

// How long the lists of the policies may be.
const (
	maxPolicyRules      = 20
	maxPodConditions    = 20
	maxExitCodes        = 255
	maxSucceededIndexes = 64 * 1024
)

var (
	failureActions = []batchv1.PodFailurePolicyAction{
		batchv1.PodFailurePolicyActionCount, batchv1.PodFailurePolicyActionFailIndex,
		batchv1.PodFailurePolicyActionFailJob, batchv1.PodFailurePolicyActionIgnore,
	}
	exitCodeOperators = []batchv1.PodFailurePolicyOnExitCodesOperator{
		batchv1.PodFailurePolicyOnExitCodesOpIn, batchv1.PodFailurePolicyOnExitCodesOpNotIn,
	}
	conditionStatuses = []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown}
)

// knownValue is validation.OneOf where a missing value is answered with the list of values.
func knownValue[T ~string](path *field.Path, value T, known []T) field.ErrorList {
	switch {
	case value == "":
		return field.ErrorList{field.Required(path, fmt.Sprintf("valid values: %q", known))}
	case !slices.Contains(known, value):
		return field.ErrorList{field.NotSupported(path, value, known)}
	}
	return nil
}

func validateFailurePolicy(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	if s.PodFailurePolicy == nil {
		return nil
	}
	var errs field.ErrorList
	rules := s.PodFailurePolicy.Rules
	if len(rules) > maxPolicyRules {
		errs = append(errs, field.TooMany(path, len(rules), maxPolicyRules))
	}
	for i := range rules {
		rule, at := &rules[i], path.Index(i)
		errs = append(errs, knownValue(at.Child("action"), rule.Action, failureActions)...)
		if rule.Action == batchv1.PodFailurePolicyActionFailIndex && s.BackoffLimitPerIndex == nil {
			errs = append(errs, field.Invalid(at.Child("action"), rule.Action,
				"requires the backoffLimitPerIndex to be set"))
		}
		errs = append(errs, validateExitCodes(at.Child("onExitCodes"), rule.OnExitCodes, &s.Template.Spec)...)
		errs = append(errs, validatePodConditions(at.Child("onPodConditions"), rule.OnPodConditions)...)
		switch codes, conditions := rule.OnExitCodes != nil, len(rule.OnPodConditions) > 0; {
		case codes && conditions:
			errs = append(errs, field.Invalid(at, field.OmitValueType{},
				"specifying both OnExitCodes and OnPodConditions is not supported"))
		case !codes && !conditions:
			errs = append(errs, field.Invalid(at, field.OmitValueType{},
				"specifying one of OnExitCodes and OnPodConditions is required"))
		}
	}
	return errs
}

func validateExitCodes(path *field.Path, r *batchv1.PodFailurePolicyOnExitCodesRequirement,
	pod *corev1.PodSpec) field.ErrorList {
	if r == nil {
		return nil
	}
	errs := knownValue(path.Child("operator"), r.Operator, exitCodeOperators)
	if r.ContainerName != nil {
		found := false
		podspec.ForEachContainer(pod, func(c *corev1.Container) { found = found || c.Name == *r.ContainerName })
		if !found {
			errs = append(errs, field.Invalid(path.Child("containerName"), *r.ContainerName,
				"must be one of the container or initContainer names in the pod template"))
		}
	}
	values := path.Child("values")
	if len(r.Values) == 0 {
		errs = append(errs, field.Invalid(values, r.Values, "at least one value is required"))
	}
	if len(r.Values) > maxExitCodes {
		errs = append(errs, field.TooMany(values, len(r.Values), maxExitCodes))
	}
	seen := map[int32]bool{}
	for i, code := range r.Values {
		if code == 0 && r.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn {
			errs = append(errs, field.Invalid(values.Index(i), code, "must not be 0 for the In operator"))
		}
		if seen[code] {
			errs = append(errs, field.Duplicate(values.Index(i), code))
		}
		seen[code] = true
	}
	if !slices.IsSorted(r.Values) {
		errs = append(errs, field.Invalid(values, r.Values, "must be ordered"))
	}
	return errs
}

func validatePodConditions(path *field.Path,
	patterns []batchv1.PodFailurePolicyOnPodConditionsPattern) field.ErrorList {
	var errs field.ErrorList
	if len(patterns) > maxPodConditions {
		errs = append(errs, field.TooMany(path, len(patterns), maxPodConditions))
	}
	for i, p := range patterns {
		errs = append(errs, validation.QualifiedName(path.Index(i).Child("type"), string(p.Type))...)
		errs = append(errs, knownValue(path.Index(i).Child("status"), p.Status, conditionStatuses)...)
	}
	return errs
}

// validateReplacement asks a Job with a failure policy to wait for its pods to end: before, there is nothing to judge.
func validateReplacement(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	allowed := []batchv1.PodReplacementPolicy{batchv1.Failed, batchv1.TerminatingOrFailed}
	if s.PodFailurePolicy != nil {
		allowed = allowed[:1]
	}
	if s.PodReplacementPolicy == nil || slices.Contains(allowed, *s.PodReplacementPolicy) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, *s.PodReplacementPolicy, allowed)}
}

func validateSuccessPolicy(path *field.Path, s *batchv1.JobSpec) field.ErrorList {
	if s.SuccessPolicy == nil {
		return nil
	}
	if !isIndexed(s) {
		return field.ErrorList{field.Invalid(path, *s.SuccessPolicy, "requires indexed completion mode")}
	}
	var errs field.ErrorList
	path = path.Child("rules")
	rules := s.SuccessPolicy.Rules
	if len(rules) == 0 {
		errs = append(errs, field.Required(path, "at least one rules must be specified when the successPolicy is specified"))
	}
	if len(rules) > maxPolicyRules {
		errs = append(errs, field.TooMany(path, len(rules), maxPolicyRules))
	}
	for i := range rules {
		errs = append(errs, validateSuccessRule(path.Index(i), &rules[i], ptr.Deref(s.Completions, 0))...)
	}
	return errs
}

func validateSuccessRule(path *field.Path, rule *batchv1.SuccessPolicyRule, completions int32) field.ErrorList {
	if rule.SucceededCount == nil && rule.SucceededIndexes == nil {
		return field.ErrorList{field.Required(path,
			"at least one of succeededCount or succeededIndexes must be specified")}
	}
	var errs field.ErrorList
	var named int32
	if list := rule.SucceededIndexes; list != nil {
		at := path.Child("succeededIndexes")
		if len(*list) > maxSucceededIndexes {
			errs = append(errs, field.TooLong(at, "", maxSucceededIndexes))
		}
		intervals, err := parseIndexes(*list, completions)
		if err != nil {
			errs = append(errs, field.Invalid(at, *list, "error parsing succeededIndexes: "+err.Error()))
		}
		for _, v := range intervals {
			named += v.last - v.first + 1
		}
	}
	if count := rule.SucceededCount; count != nil {
		at := path.Child("succeededCount")
		errs = append(errs, validation.NotNegative(at, *count)...)
		const atMost = "must be less than or equal to %d (the number of %s)"
		if *count > completions {
			errs = append(errs, field.Invalid(at, *count, fmt.Sprintf(atMost, completions, "specified completions")))
		}
		if rule.SucceededIndexes != nil && *count > named {
			errs = append(errs, field.Invalid(at, *count,
				fmt.Sprintf(atMost, named, "indexes in the specified succeededIndexes field")))
		}
	}
	return errs
}

// indexes are those from first to last.
type indexes struct{ first, last int32 }

// parseIndexes reads a list such as "1,3-5": each number greater than the one before, and below completions.
func parseIndexes(list string, completions int32) ([]indexes, error) {
	if list == "" {
		return nil, nil
	}
	var out []indexes
	for _, part := range strings.Split(list, ",") {
		limits := strings.Split(part, "-")
		if len(limits) > 2 {
			return nil, fmt.Errorf("the fragment %q violates the requirement that an index interval can have at most two "+
				"parts separated by '-'", part)
		}
		var numbers []int32
		for _, limit := range limits {
			n, err := strconv.Atoi(limit)
			if err != nil {
				return nil, fmt.Errorf("cannot convert string to integer for index: %q", limit)
			}
			if n >= int(completions) {
				return nil, fmt.Errorf("too large index: %q", limit)
			}
			numbers = append(numbers, int32(n))
		}
		interval := indexes{numbers[0], numbers[len(numbers)-1]}
		const order = "non-increasing order, previous: %d, current: %d"
		if len(numbers) > 1 && interval.first >= interval.last {
			return nil, fmt.Errorf(order, interval.first, interval.last)
		}
		if len(out) > 0 && out[len(out)-1].last >= interval.first {
			return nil, fmt.Errorf(order, out[len(out)-1].last, interval.first)
		}
		out = append(out, interval)
	}
	return out, nil
}

// soundIndexes are the intervals of a list that can be read, whatever is wrong with the others.
func soundIndexes(list string, completions int32) []indexes {
	var out []indexes
	for _, part := range strings.Split(list, ",") {
		if interval, err := parseIndexes(part, completions); err == nil {
			out = append(out, interval...)
		}
	}
	return out
}

// overlap is the first index that is in both lists, which are in order.
func overlap(a, b []indexes) (int32, bool) {
	for len(a) > 0 && len(b) > 0 {
		if a[0].first <= b[0].last && b[0].first <= a[0].last {
			return max(a[0].first, b[0].first), true
		}
		if a[0].first <= b[0].first {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return 0, false
}
