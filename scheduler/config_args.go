package scheduler

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// setArgs applies one plugin's args.
func (p profile) setArgs(path string, plugin kubeschedulerv1.PluginConfig) error {
	if err := known(plugin.Name, true, true, true); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	at := path + ".args."
	switch args := plugin.Args.Object.(type) {
	case *kubeschedulerv1.NodeResourcesFitArgs:
		return p.setFit(at, args)
	case *kubeschedulerv1.NodeResourcesBalancedAllocationArgs:
		return p.setBalanced(at, args)
	case *kubeschedulerv1.PodTopologySpreadArgs:
		return p.setSpread(at, args)
	case *kubeschedulerv1.InterPodAffinityArgs:
		return p.setInterPodAffinity(at, args)
	case *kubeschedulerv1.DefaultPreemptionArgs:
		return p.setPreemption(at, args)
	case *kubeschedulerv1.NodeAffinityArgs:
		return p.setAddedAffinity(at, args)
	}
	return fmt.Errorf("%s: plugin %q takes no args", path, plugin.Name)
}

func (p profile) setFit(path string, args *kubeschedulerv1.NodeResourcesFitArgs) error {
	for i, group := range args.IgnoredResourceGroups {
		if strings.Contains(group, "/") {
			return fmt.Errorf("%signoredResourceGroups[%d]: %q must not contain '/'", path, i, group)
		}
	}
	p.IgnoredResources, p.IgnoredResourceGroups = args.IgnoredResources, args.IgnoredResourceGroups
	if args.ScoringStrategy == nil {
		return nil
	}
	path += "scoringStrategy."
	strategy := args.ScoringStrategy.DeepCopy()
	switch strategy.Type {
	case "":
		strategy.Type = kubeschedulerv1.LeastAllocated
	case kubeschedulerv1.LeastAllocated, kubeschedulerv1.MostAllocated:
	case kubeschedulerv1.RequestedToCapacityRatio:
		if err := checkRatio(path+"requestedToCapacityRatio", strategy.RequestedToCapacityRatio); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%stype: %q is not one of LeastAllocated, MostAllocated and RequestedToCapacityRatio",
			path, strategy.Type)
	}
	if len(strategy.Resources) == 0 {
		strategy.Resources = p.Fit.Resources
	}
	for i := range strategy.Resources {
		r := &strategy.Resources[i]
		if r.Weight == 0 {
			r.Weight = 1
		}
		if r.Weight < 1 || r.Weight > 100 {
			return fmt.Errorf("%sresources[%d].weight: %d is not between 1 and 100", path, i, r.Weight)
		}
	}
	p.Fit = *strategy
	return checkNames(path, strategy.Resources)
}

func checkRatio(path string, ratio *kubeschedulerv1.RequestedToCapacityRatioParam) error {
	if ratio == nil || len(ratio.Shape) == 0 {
		return fmt.Errorf("%s.shape: at least one point must be specified", path)
	}
	for i, point := range ratio.Shape {
		at := fmt.Sprintf("%s.shape[%d].", path, i)
		switch {
		case point.Utilization < 0 || point.Utilization > 100:
			return fmt.Errorf("%sutilization: %d is not between 0 and 100", at, point.Utilization)
		case point.Score < 0 || point.Score > 10:
			return fmt.Errorf("%sscore: %d is not between 0 and 10", at, point.Score)
		case i > 0 && point.Utilization <= ratio.Shape[i-1].Utilization:
			return fmt.Errorf("%sutilization: values must be sorted in increasing order", at)
		}
	}
	return nil
}

func (p profile) setAddedAffinity(path string, args *kubeschedulerv1.NodeAffinityArgs) error {
	added := args.AddedAffinity
	if added == nil {
		return nil
	}
	path += "addedAffinity."
	var err error
	if required := added.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		if p.AddedAffinity.Required, err = nodeaffinity.NewNodeSelector(required); err != nil {
			return fmt.Errorf("%srequiredDuringSchedulingIgnoredDuringExecution: %w", path, err)
		}
	}
	if preferred := added.PreferredDuringSchedulingIgnoredDuringExecution; len(preferred) > 0 {
		if p.AddedAffinity.Preferred, err = nodeaffinity.NewPreferredSchedulingTerms(preferred); err != nil {
			return fmt.Errorf("%spreferredDuringSchedulingIgnoredDuringExecution: %w", path, err)
		}
	}
	return nil
}

func (p profile) setBalanced(path string, args *kubeschedulerv1.NodeResourcesBalancedAllocationArgs) error {
	if len(args.Resources) == 0 {
		return nil
	}
	for i, r := range args.Resources {
		if r.Weight != 0 && r.Weight != 1 {
			return fmt.Errorf("%sresources[%d].weight: must be 1, the plugin compares all alike", path, i)
		}
	}
	p.Balanced = args.Resources
	return checkNames(path, args.Resources)
}

func checkNames(path string, resources []kubeschedulerv1.ResourceSpec) error {
	seen := map[string]bool{}
	for i, r := range resources {
		if r.Name == "" || seen[r.Name] {
			return fmt.Errorf("%sresources[%d].name: %q is empty or there twice", path, i, r.Name)
		}
		seen[r.Name] = true
	}
	return nil
}

func (p profile) setSpread(path string, args *kubeschedulerv1.PodTopologySpreadArgs) error {
	switch args.DefaultingType {
	case "", kubeschedulerv1.SystemDefaulting:
		if len(args.DefaultConstraints) > 0 {
			return fmt.Errorf("%sdefaultConstraints are taken with defaultingType List only", path)
		}
		return nil
	case kubeschedulerv1.ListDefaulting:
	default:
		return fmt.Errorf("%sdefaultingType: %q is not one of System and List", path, args.DefaultingType)
	}
	for i := range args.DefaultConstraints {
		c := &args.DefaultConstraints[i]
		at := fmt.Sprintf("%sdefaultConstraints[%d].", path, i)
		switch {
		case c.LabelSelector != nil:
			return fmt.Errorf("%slabelSelector must not be set: the pods of the same controller are counted", at)
		case c.TopologyKey == "":
			return fmt.Errorf("%stopologyKey must be set", at)
		case c.MaxSkew < 1:
			return fmt.Errorf("%smaxSkew: %d is less than 1", at, c.MaxSkew)
		case c.WhenUnsatisfiable != corev1.DoNotSchedule && c.WhenUnsatisfiable != corev1.ScheduleAnyway:
			return fmt.Errorf("%swhenUnsatisfiable: %q is not one of DoNotSchedule and ScheduleAnyway",
				at, c.WhenUnsatisfiable)
		}
	}
	p.Spread, p.SystemSpread = args.DefaultConstraints, false
	return nil
}

func (p profile) setInterPodAffinity(path string, args *kubeschedulerv1.InterPodAffinityArgs) error {
	p.IgnorePreferredTermsOfExistingPods = args.IgnorePreferredTermsOfExistingPods
	if weight := args.HardPodAffinityWeight; weight != nil {
		if *weight < 0 || *weight > 100 {
			return fmt.Errorf("%shardPodAffinityWeight: %d is not between 0 and 100", path, *weight)
		}
		p.HardPodAffinityWeight = *weight
	}
	return nil
}

func (p profile) setPreemption(path string, args *kubeschedulerv1.DefaultPreemptionArgs) error {
	if n := args.MinCandidateNodesPercentage; n != nil {
		if *n < 0 || *n > 100 {
			return fmt.Errorf("%sminCandidateNodesPercentage: %d is not between 0 and 100", path, *n)
		}
		p.MinCandidateNodesPercentage = *n
	}
	if n := args.MinCandidateNodesAbsolute; n != nil {
		if *n < 0 {
			return fmt.Errorf("%sminCandidateNodesAbsolute: %d is negative", path, *n)
		}
		p.MinCandidateNodesAbsolute = *n
	}
	if p.MinCandidateNodesPercentage == 0 && p.MinCandidateNodesAbsolute == 0 {
		return fmt.Errorf("%sminCandidateNodesPercentage and minCandidateNodesAbsolute cannot both be 0", path)
	}
	return nil
}

// jsonName is the field's name in a file.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		return field.Name
	}
	return name
}
