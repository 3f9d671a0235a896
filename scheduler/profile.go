package scheduler

import (
	corev1 "k8s.io/api/core/v1"
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
)

// Profile is how the pods of one schedulerName are scheduled. It does not change once it is in use.
type Profile struct {
	// Name is the schedulerName of the pods it is for.
	Name string
	// Filters are the plugins that may reject a node, in the order of filters.
	Filters map[string]bool
	// Weights multiply the scores of the plugins; a plugin without weight is not asked.
	Weights map[string]int64
	// Fit is what NodeResourcesFit scores by: LeastAllocated or MostAllocated, over the resources it names.
	Fit kubeschedulerv1.ScoringStrategy
	// Balanced are the resources that NodeResourcesBalancedAllocation compares.
	Balanced []kubeschedulerv1.ResourceSpec
	// Spread are the constraints of pods that state none, counted over the pods of the same controller.
	Spread []corev1.TopologySpreadConstraint
	// SystemSpread: Spread is upstream's default, which scores nodes without the labels as well.
	SystemSpread bool

	filters []filter
	scores  [scoreCount]score
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
		Spread: []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelHostname, MaxSkew: 3, WhenUnsatisfiable: corev1.ScheduleAnyway},
			{TopologyKey: corev1.LabelTopologyZone, MaxSkew: 5, WhenUnsatisfiable: corev1.ScheduleAnyway},
		},
	}
	for _, f := range filters() {
		p.Filters[f.name] = true
	}
	for _, s := range scores() {
		p.Weights[s.name] = s.weight
	}
	return p.complete()
}

// complete picks the rows of the tables that the profile uses.
func (p *Profile) complete() *Profile {
	p.filters, p.scores = nil, scores()
	for _, f := range filters() {
		if p.Filters[f.name] {
			p.filters = append(p.filters, f)
		}
	}
	for i := range p.scores {
		p.scores[i].weight = p.Weights[p.scores[i].name]
	}
	return p
}

// helps reports whether the change may turn the no of one of the plugins into a yes.
func (p *Profile) helps(plugins []string, c Change) bool {
	for _, f := range p.filters {
		for _, plugin := range plugins {
			if f.name == plugin && f.helps&c != 0 {
				return true
			}
		}
	}
	return len(plugins) == 0 && c&nodeAdded != 0
}

// Change is what happened to the cluster, as far as it may help a pod that did not fit.
type Change uint

const (
	nodeAdded Change = 1 << iota
	nodeRemoved
	nodeAllocatable
	nodeTaints // and spec.unschedulable
	nodeLabels
	podPlaced // or a placed pod's labels changed
	podRemoved
)
