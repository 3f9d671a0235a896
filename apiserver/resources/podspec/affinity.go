package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// Where a pod may and would rather run: affinity, tolerations and spreading; and the taints of nodes, which are the
// other half of tolerations.

func validateAffinity(path *field.Path, a *corev1.Affinity) field.ErrorList {
	if a == nil {
		return nil
	}
	var errs field.ErrorList
	const must = "requiredDuringSchedulingIgnoredDuringExecution"
	const rather = "preferredDuringSchedulingIgnoredDuringExecution"
	if n := a.NodeAffinity; n != nil {
		at := path.Child("nodeAffinity")
		if n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			errs = append(errs, ValidateNodeSelector(at.Child(must), n.RequiredDuringSchedulingIgnoredDuringExecution)...)
		}
		for i, term := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			errs = append(errs, validateWeight(at.Child(rather).Index(i), term.Weight)...)
			errs = append(errs, validateNodeTerm(at.Child(rather).Index(i).Child("preference"), term.Preference, false)...)
		}
	}
	if p := a.PodAffinity; p != nil {
		at := path.Child("podAffinity")
		errs = append(errs, validatePodTerms(at.Child(must), p.RequiredDuringSchedulingIgnoredDuringExecution)...)
		errs = append(errs, validateWeightedTerms(at.Child(rather), p.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}
	if p := a.PodAntiAffinity; p != nil {
		at := path.Child("podAntiAffinity")
		errs = append(errs, validatePodTerms(at.Child(must), p.RequiredDuringSchedulingIgnoredDuringExecution)...)
		errs = append(errs, validateWeightedTerms(at.Child(rather), p.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}
	return errs
}

func validateWeight(path *field.Path, weight int32) field.ErrorList {
	if weight < 1 || weight > 100 {
		return field.ErrorList{field.Invalid(path.Child("weight"), weight, "must be in the range 1-100")}
	}
	return nil
}

// ValidateNodeSelector asks for at least one term, and checks them all.
func ValidateNodeSelector(path *field.Path, s *corev1.NodeSelector) field.ErrorList {
	path = path.Child("nodeSelectorTerms")
	if len(s.NodeSelectorTerms) == 0 {
		return field.ErrorList{field.Required(path, "must have at least one node selector term")}
	}
	var errs field.ErrorList
	for i, term := range s.NodeSelectorTerms {
		errs = append(errs, validateNodeTerm(path.Index(i), term, true)...)
	}
	return errs
}

// validateNodeTerm checks one term; values are held to the form of label values where the term is required.
func validateNodeTerm(path *field.Path, term corev1.NodeSelectorTerm, values bool) field.ErrorList {
	var errs field.ErrorList
	for i, r := range term.MatchExpressions {
		at := path.Child("matchExpressions").Index(i)
		errs = append(errs, validateNodeOperator(at, r)...)
		errs = append(errs, metav1validation.ValidateLabelName(r.Key, at.Child("key"))...)
		for j, v := range r.Values {
			if values {
				errs = append(errs, validation.Invalid(at.Child("values").Index(j), v, utilvalidation.IsValidLabelValue(v))...)
			}
		}
	}
	for i, r := range term.MatchFields {
		at := path.Child("matchFields").Index(i)
		switch r.Operator {
		case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
			if len(r.Values) != 1 {
				errs = append(errs, field.Required(at.Child("values"),
					"must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
			}
		default:
			errs = append(errs, field.Invalid(at.Child("operator"), r.Operator, "not a valid selector operator"))
		}
		if r.Key != metav1.ObjectNameField {
			errs = append(errs, field.Invalid(at.Child("key"), r.Key, "not a valid field selector key"))
			continue
		}
		for j, v := range r.Values {
			errs = append(errs, validation.Invalid(at.Child("values").Index(j), v, apivalidation.NameIsDNSSubdomain(v, false))...)
		}
	}
	return errs
}

func validateNodeOperator(path *field.Path, r corev1.NodeSelectorRequirement) field.ErrorList {
	values := path.Child("values")
	switch r.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		if len(r.Values) == 0 {
			return field.ErrorList{field.Required(values, "must be specified when `operator` is 'In' or 'NotIn'")}
		}
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
		if len(r.Values) > 0 {
			return field.ErrorList{field.Forbidden(values,
				"may not be specified when `operator` is 'Exists' or 'DoesNotExist'")}
		}
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if len(r.Values) != 1 {
			return field.ErrorList{field.Required(values, "must be specified single value when `operator` is 'Lt' or 'Gt'")}
		}
	default:
		return field.ErrorList{field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator")}
	}
	return nil
}

func validatePodTerms(path *field.Path, terms []corev1.PodAffinityTerm) field.ErrorList {
	var errs field.ErrorList
	for i, term := range terms {
		errs = append(errs, validatePodTerm(path.Index(i), term)...)
	}
	return errs
}

func validateWeightedTerms(path *field.Path, terms []corev1.WeightedPodAffinityTerm) field.ErrorList {
	var errs field.ErrorList
	for i, term := range terms {
		errs = append(errs, validateWeight(path.Index(i), term.Weight)...)
		errs = append(errs, validatePodTerm(path.Index(i).Child("podAffinityTerm"), term.PodAffinityTerm)...)
	}
	return errs
}

func validatePodTerm(path *field.Path, term corev1.PodAffinityTerm) field.ErrorList {
	errs := validation.LabelSelector(path.Child("labelSelector"), term.LabelSelector)
	errs = append(errs, validation.LabelSelector(path.Child("namespaceSelector"), term.NamespaceSelector)...)
	for _, name := range term.Namespaces {
		errs = append(errs, validation.Invalid(path.Child("namespace"), name, apivalidation.ValidateNamespaceName(name, false))...)
	}
	errs = append(errs, validateLabelKeys(path, term.MatchLabelKeys, term.MismatchLabelKeys, term.LabelSelector)...)
	if term.TopologyKey == "" {
		errs = append(errs, field.Required(path.Child("topologyKey"), "can not be empty"))
	}
	return append(errs, metav1validation.ValidateLabelName(term.TopologyKey, path.Child("topologyKey"))...)
}

func validateSpread(path *field.Path, constraints []corev1.TopologySpreadConstraint) field.ErrorList {
	var errs field.ErrorList
	for i, c := range constraints {
		at := path.Index(i)
		if c.MaxSkew <= 0 {
			errs = append(errs, field.Invalid(at.Child("maxSkew"), c.MaxSkew, "must be greater than zero"))
		}
		if c.TopologyKey == "" {
			errs = append(errs, field.Required(at.Child("topologyKey"), "can not be empty"))
		}
		errs = append(errs, validation.Supported(at.Child("whenUnsatisfiable"), c.WhenUnsatisfiable,
			corev1.DoNotSchedule, corev1.ScheduleAnyway)...)
		repeated := slices.ContainsFunc(constraints[i+1:], func(o corev1.TopologySpreadConstraint) bool {
			return o.TopologyKey == c.TopologyKey && o.WhenUnsatisfiable == c.WhenUnsatisfiable
		})
		if repeated { // told of all but the last
			errs = append(errs, field.Duplicate(at.Child("{topologyKey, whenUnsatisfiable}"),
				"{"+c.TopologyKey+", "+string(c.WhenUnsatisfiable)+"}"))
		}
		if c.MinDomains != nil && *c.MinDomains <= 0 {
			errs = append(errs, field.Invalid(at.Child("minDomains"), *c.MinDomains, "must be greater than zero"))
		}
		if c.MinDomains != nil && c.WhenUnsatisfiable != corev1.DoNotSchedule {
			errs = append(errs, field.Invalid(at.Child("minDomains"), *c.MinDomains, fmt.Sprintf(
				"can only use minDomains if whenUnsatisfiable=%s, not %s", corev1.DoNotSchedule, c.WhenUnsatisfiable)))
		}
		for _, policy := range []struct {
			name  string
			value *corev1.NodeInclusionPolicy
		}{{"nodeAffinityPolicy", c.NodeAffinityPolicy}, {"nodeTaintsPolicy", c.NodeTaintsPolicy}} {
			if policy.value != nil {
				errs = append(errs, validation.Supported(at.Child(policy.name), *policy.value, corev1.NodeInclusionPolicyHonor,
					corev1.NodeInclusionPolicyIgnore)...)
			}
		}
		errs = append(errs, validateLabelKeys(at, c.MatchLabelKeys, nil, c.LabelSelector)...)
		errs = append(errs, validation.LabelSelector(at.Child("labelSelector"), c.LabelSelector)...)
	}
	return errs
}

// validateLabelKeys checks the keys whose values in the pod's own labels are added to a selector, or taken out of what it selects.
func validateLabelKeys(path *field.Path, match, mismatch []string, s *metav1.LabelSelector) field.ErrorList {
	var errs field.ErrorList
	for _, keys := range []struct {
		name string
		keys []string
	}{{"matchLabelKeys", match}, {"mismatchLabelKeys", mismatch}} {
		if len(keys.keys) > 0 && s == nil {
			errs = append(errs, field.Forbidden(path.Child(keys.name), "must not be specified when labelSelector is not set"))
			continue
		}
		for i, key := range keys.keys {
			errs = append(errs, metav1validation.ValidateLabelName(key, path.Child(keys.name).Index(i))...)
		}
	}
	if s != nil {
		// A key that the server merged into the selector is there once; twice it is the client's as well. Upstream counts the index
		// of the key from the term.
		selected := sets.KeySet(s.MatchLabels)
		for _, r := range s.MatchExpressions {
			if i := lastIndex(match, r.Key); i >= 0 && selected.Has(r.Key) {
				errs = append(errs, field.Invalid(path.Index(i), r.Key, "exists in both matchLabelKeys and labelSelector"))
			}
			selected.Insert(r.Key)
		}
	}
	for i, key := range match {
		if slices.Contains(mismatch, key) {
			errs = append(errs, field.Invalid(path.Child("matchLabelKeys").Index(i), key,
				"exists in both matchLabelKeys and mismatchLabelKeys"))
		}
	}
	return errs
}

func lastIndex(list []string, value string) int {
	for i, v := range slices.Backward(list) {
		if v == value {
			return i
		}
	}
	return -1
}

// MergeLabelKeys adds what matchLabelKeys and mismatchLabelKeys stand for to the selectors of a pod that is made: the values of its own
// labels.
func MergeLabelKeys(pod *corev1.Pod) {
	merge := func(s *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator) {
		for _, key := range keys {
			if value, ok := pod.Labels[key]; ok && s != nil {
				s.MatchExpressions = append(s.MatchExpressions,
					metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
			}
		}
	}
	term := func(t *corev1.PodAffinityTerm) {
		merge(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn)
		merge(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
	}
	terms := func(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
		for i := range required {
			term(&required[i])
		}
		for i := range preferred {
			term(&preferred[i].PodAffinityTerm)
		}
	}
	if a := pod.Spec.Affinity; a != nil {
		if p := a.PodAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if p := a.PodAntiAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		merge(c.LabelSelector, c.MatchLabelKeys, metav1.LabelSelectorOpIn)
	}
}

// ValidateTolerations checks what a pod tolerates; upstream reports a wrong value under operator, too.
func ValidateTolerations(path *field.Path, tolerations []corev1.Toleration) field.ErrorList {
	var errs field.ErrorList
	for i, t := range tolerations {
		at := path.Index(i)
		if t.Key != "" {
			errs = append(errs, metav1validation.ValidateLabelName(t.Key, at.Child("key"))...)
		} else if t.Operator != corev1.TolerationOpExists {
			errs = append(errs, field.Invalid(at.Child("operator"), t.Operator,
				"operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
		}
		if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
			errs = append(errs, field.Invalid(at.Child("effect"), t.Effect,
				"effect must be 'NoExecute' when `tolerationSeconds` is set"))
		}
		switch t.Operator {
		case corev1.TolerationOpEqual, "":
			if wrong := utilvalidation.IsValidLabelValue(t.Value); len(wrong) > 0 {
				errs = append(errs, field.Invalid(at.Child("operator"), t.Value, strings.Join(wrong, ";")))
			}
		case corev1.TolerationOpExists:
			if t.Value != "" {
				errs = append(errs, field.Invalid(at.Child("operator"), t.Value,
					"value must be empty when `operator` is 'Exists'"))
			}
		default:
			errs = append(errs, field.NotSupported(at.Child("operator"), t.Operator,
				[]corev1.TolerationOperator{corev1.TolerationOpEqual, corev1.TolerationOpExists}))
		}
		if t.Effect != "" {
			errs = append(errs, validateEffect(at.Child("effect"), t.Effect)...)
		}
	}
	return errs
}

func validateEffect(path *field.Path, effect corev1.TaintEffect) field.ErrorList {
	return validation.OneOf(path, effect, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule,
		corev1.TaintEffectNoExecute)
}

// ValidateTaints checks the taints of a node; a key has at most one taint of each effect.
func ValidateTaints(path *field.Path, taints []corev1.Taint) field.ErrorList {
	var errs field.ErrorList
	seen := map[[2]string]bool{}
	for i, t := range taints {
		at := path.Index(i)
		errs = append(errs, metav1validation.ValidateLabelName(t.Key, at.Child("key"))...)
		if wrong := utilvalidation.IsValidLabelValue(t.Value); len(wrong) > 0 {
			errs = append(errs, field.Invalid(at.Child("value"), t.Value, strings.Join(wrong, ";")))
		}
		errs = append(errs, validateEffect(at.Child("effect"), t.Effect)...)
		key := [2]string{t.Key, string(t.Effect)}
		if seen[key] {
			duplicate := field.Duplicate(at, t)
			duplicate.Detail = "taints must be unique by key and effect pair"
			errs = append(errs, duplicate)
		}
		seen[key] = true
	}
	return errs
}
