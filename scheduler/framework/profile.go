package framework

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// The plugins, in upstream's names.
const (
	NodeUnschedulable               = "NodeUnschedulable"
	NodeName                        = "NodeName"
	TaintToleration                 = "TaintToleration"
	NodeAffinity                    = "NodeAffinity"
	NodePorts                       = "NodePorts"
	NodeResourcesFit                = "NodeResourcesFit"
	NodeResourcesBalancedAllocation = "NodeResourcesBalancedAllocation"
	PodTopologySpread               = "PodTopologySpread"
	InterPodAffinity                = "InterPodAffinity"
	ImageLocality                   = "ImageLocality"
	VolumeRestrictions              = "VolumeRestrictions"
	VolumeBinding                   = "VolumeBinding"
	VolumeZone                      = "VolumeZone"
	DefaultPreemption               = "DefaultPreemption"
)

// Profile is how the pods of one schedulerName are scheduled. It does not change once it is in use.
type Profile struct {
	// Name is the schedulerName of the pods it is for.
	Name string
	// Filters are the plugins that may reject a node, in the order of the table.
	Filters map[string]bool
	// Weights multiply the scores of the plugins; a plugin without weight is not asked.
	Weights map[string]int64
	// Fit is what NodeResourcesFit scores by: LeastAllocated, MostAllocated or RequestedToCapacityRatio, over the
	// resources it names.
	Fit kubeschedulerv1.ScoringStrategy
	// IgnoredResources and IgnoredResourceGroups, the part before the slash, are none of NodeResourcesFit's filter.
	IgnoredResources, IgnoredResourceGroups []string
	// AddedAffinity is what NodeAffinity asks of nodes for every pod, beside what the pod asks.
	AddedAffinity AddedAffinity
	// Balanced are the resources that NodeResourcesBalancedAllocation compares.
	Balanced []kubeschedulerv1.ResourceSpec
	// Spread are the constraints of pods that state none, counted over the pods of the same controller.
	Spread []corev1.TopologySpreadConstraint
	// SystemSpread: Spread is upstream's default, which scores nodes without the labels as well.
	SystemSpread bool

	// HardPodAffinityWeight is what a placed pod's required affinity is worth as a preference.
	HardPodAffinityWeight int32
	// IgnorePreferredTermsOfExistingPods leaves pods that prefer nothing to the other plugins' scores.
	IgnorePreferredTermsOfExistingPods bool

	// Preempts: DefaultPreemption is enabled. It looks for nodes until it has found so many candidates, or this share of
	// those where eviction may help.
	Preempts                                               bool
	MinCandidateNodesPercentage, MinCandidateNodesAbsolute int32

	plugins     []plugin // all of them, as each reads pods
	filters     []plugin
	comparisons []*comparison
	scores      [scoreCount]plugin
	postFilters []func(decider, Decision, []standing) Decision
}

// AddedAffinity is node affinity that the configuration adds; nil for none.
type AddedAffinity struct {
	Required  *nodeaffinity.NodeSelector
	Preferred *nodeaffinity.PreferredSchedulingTerms
}

// DefaultSchedulerName is what the API server writes into pods that name no scheduler.
const DefaultSchedulerName = corev1.DefaultSchedulerName

// DefaultProfile is upstream's default configuration, as far as its plugins are here. This is the one table of
// defaults.
func DefaultProfile() *Profile {
	cpuAndMemory := []kubeschedulerv1.ResourceSpec{
		{Name: string(corev1.ResourceCPU), Weight: 1},
		{Name: string(corev1.ResourceMemory), Weight: 1},
	}
	p := &Profile{
		Name:    DefaultSchedulerName,
		Filters: map[string]bool{},
		Weights: map[string]int64{},
		Fit: kubeschedulerv1.ScoringStrategy{
			Type: kubeschedulerv1.LeastAllocated, Resources: cpuAndMemory,
		},
		Balanced:     cpuAndMemory,
		SystemSpread: true,

		HardPodAffinityWeight: 1,

		Preempts: true, MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100,
		Spread: []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelHostname, MaxSkew: 3, WhenUnsatisfiable: corev1.ScheduleAnyway},
			{TopologyKey: corev1.LabelTopologyZone, MaxSkew: 5, WhenUnsatisfiable: corev1.ScheduleAnyway},
		},
	}
	for _, row := range plugins() {
		if row.filters() {
			p.Filters[row.name] = true
		}
		if row.weight > 0 {
			p.Weights[row.name] = row.weight
		}
	}
	return p.Complete()
}

// Complete has the profile use the plugins that its fields name, after they were changed.
func (p *Profile) Complete() *Profile {
	p.plugins, p.filters, p.comparisons, p.postFilters = plugins(), nil, nil, nil
	scores := 0
	for _, row := range p.plugins {
		filters := row.filters() && p.Filters[row.name]
		if filters {
			p.filters = append(p.filters, row)
		}
		if row.compares != nil && (filters || p.Weights[row.name] > 0) {
			p.comparisons = append(p.comparisons, row.compares)
		}
		if row.postFilter != nil && p.Preempts {
			p.postFilters = append(p.postFilters, row.postFilter)
		}
		if row.weight > 0 {
			p.scores[scores] = row
			p.scores[scores].weight = p.Weights[row.name]
			scores++
		}
	}
	return p
}
