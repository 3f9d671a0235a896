package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nodeAffinity has a pod ask for labels and names of nodes.
func (r random) nodeAffinity(pod *corev1.Pod) {
	if r.oneIn(3) {
		pod.Spec.NodeSelector = map[string]string{diskLabel: pick(r, "ssd", "hdd")}
		if r.oneIn(2) {
			return
		}
	}
	a := &corev1.NodeAffinity{}
	if !r.oneIn(3) {
		a.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{}
		terms := &a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		for range 1 + r.Intn(2) {
			*terms = append(*terms, r.nodeSelectorTerm())
		}
	}
	for a.RequiredDuringSchedulingIgnoredDuringExecution == nil || r.oneIn(2) {
		a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
			corev1.PreferredSchedulingTerm{Weight: int32(1 + r.Intn(10)), Preference: r.nodeSelectorTerm()})
		if r.oneIn(2) {
			break
		}
	}
	affinity(pod).NodeAffinity = a
}

func affinity(pod *corev1.Pod) *corev1.Affinity {
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &corev1.Affinity{}
	}
	return pod.Spec.Affinity
}

func (r random) nodeSelectorTerm() corev1.NodeSelectorTerm {
	var t corev1.NodeSelectorTerm
	if r.oneIn(4) {
		t.MatchFields = append(t.MatchFields, corev1.NodeSelectorRequirement{
			Key: metav1.ObjectNameField, Operator: pick(r, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn),
			Values: []string{nodeName(r.Intn(6))},
		})
	}
	for t.MatchFields != nil && r.oneIn(4) { // and of another name, mostly: then no node will do
		second := t.MatchFields[0]
		second.Values = []string{nodeName(r.Intn(6))}
		t.MatchFields = append(t.MatchFields, second)
	}
	for t.MatchFields == nil && t.MatchExpressions == nil || r.oneIn(3) {
		t.MatchExpressions = append(t.MatchExpressions, r.nodeSelectorRequirement())
	}
	return t
}

func (r random) nodeSelectorRequirement() corev1.NodeSelectorRequirement {
	q := corev1.NodeSelectorRequirement{
		Operator: pick(r, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
			corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt),
		Key: pick(r, diskLabel, poolLabel, coresLabel, corev1.LabelTopologyZone),
	}
	switch q.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		q.Values = some(r, "ssd", "hdd", "red", "zone-a", "zone-b", "4")
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		q.Key, q.Values = pick(r, coresLabel, coresLabel, diskLabel), []string{pick(r, "2", "3", "4")}
	}
	return q
}

// podAffinity has a pod ask for others near it, or far from it.
func (r random) podAffinity(pod *corev1.Pod) {
	near, away := &corev1.PodAffinity{}, &corev1.PodAntiAffinity{}
	for range 1 + r.Intn(2)*r.Intn(3) {
		t := r.podAffinityTerm()
		weighted := corev1.WeightedPodAffinityTerm{Weight: int32(1 + r.Intn(10)), PodAffinityTerm: t}
		switch r.Intn(4) {
		case 0:
			near.RequiredDuringSchedulingIgnoredDuringExecution = append(near.RequiredDuringSchedulingIgnoredDuringExecution, t)
		case 1:
			away.RequiredDuringSchedulingIgnoredDuringExecution = append(away.RequiredDuringSchedulingIgnoredDuringExecution, t)
		case 2:
			near.PreferredDuringSchedulingIgnoredDuringExecution = append(
				near.PreferredDuringSchedulingIgnoredDuringExecution, weighted)
		case 3:
			away.PreferredDuringSchedulingIgnoredDuringExecution = append(
				away.PreferredDuringSchedulingIgnoredDuringExecution, weighted)
		}
	}
	affinity(pod).PodAffinity, affinity(pod).PodAntiAffinity = near, away
}

func (r random) podAffinityTerm() corev1.PodAffinityTerm {
	t := corev1.PodAffinityTerm{TopologyKey: pick(r, topologyKeys...), LabelSelector: r.selector()}
	switch r.Intn(6) {
	case 0:
		t.Namespaces = some(r, "team", "default")
	case 1:
		t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": pick(r, "test", "live")}}
	case 2:
		t.NamespaceSelector = &metav1.LabelSelector{}
	case 3:
		t.Namespaces, t.NamespaceSelector = []string{"team"}, &metav1.LabelSelector{MatchLabels: map[string]string{"env": "live"}}
	}
	if r.oneIn(12) {
		t.LabelSelector = nil
		return t
	}
	if _, says := t.LabelSelector.MatchLabels["version"]; says {
		return t
	}
	switch r.Intn(6) {
	case 0:
		t.MatchLabelKeys = []string{"version"}
	case 1:
		t.MismatchLabelKeys = []string{"version"}
	case 2:
		t.MatchLabelKeys = []string{"absent"}
	}
	return t
}

// selector is of pods.
func (r random) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	switch r.Intn(8) {
	case 0:
	case 1:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{
			Key: "app", Operator: pick(r, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn), Values: some(r, "web", "db"),
		}}
	case 2:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{
			Key: "app", Operator: pick(r, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist),
		}}
	case 3:
		s.MatchLabels = map[string]string{"app": "web", "version": pick(r, "1", "2")}
	default:
		s.MatchLabels = map[string]string{"app": pick(r, "web", "web", "db")}
	}
	return s
}

// spread has a pod ask to be spread with others.
func (r random) spread(pod *corev1.Pod) {
	seen := map[string]bool{}
	for range 1 + r.Intn(2)*r.Intn(3) {
		c := corev1.TopologySpreadConstraint{
			MaxSkew: int32(1 + r.Intn(3)), TopologyKey: pick(r, topologyKeys...),
			WhenUnsatisfiable: pick(r, corev1.DoNotSchedule, corev1.ScheduleAnyway), LabelSelector: r.selector(),
		}
		if id := c.TopologyKey + string(c.WhenUnsatisfiable); seen[id] {
			continue
		} else {
			seen[id] = true
		}
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && r.oneIn(3) {
			domains := int32(1 + r.Intn(4))
			c.MinDomains = &domains
		}
		c.NodeAffinityPolicy, c.NodeTaintsPolicy = r.policy(), r.policy()
		if _, says := c.LabelSelector.MatchLabels["version"]; !says && r.oneIn(4) {
			c.MatchLabelKeys = some(r, "version", "absent")
		} else if r.oneIn(12) {
			c.LabelSelector = nil
		}
		pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, c)
	}
}

func (r random) policy() *corev1.NodeInclusionPolicy {
	if r.oneIn(2) {
		return nil
	}
	p := pick(r, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore)
	return &p
}
