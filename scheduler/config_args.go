package scheduler

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// setArgs applies one plugin's args.
func (p *Profile) setArgs(path string, plugin kubeschedulerv1.PluginConfig) error {
	if err := known(plugin.Name, true, true); err != nil {
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
	case *kubeschedulerv1.NodeAffinityArgs:
		return onlySet(args, at, "TypeMeta")
	}
	return fmt.Errorf("%s: plugin %q takes no args", path, plugin.Name)
}

func (p *Profile) setFit(path string, args *kubeschedulerv1.NodeResourcesFitArgs) error {
	if err := onlySet(args, path, "TypeMeta", "ScoringStrategy"); err != nil {
		return err
	}
	if args.ScoringStrategy == nil {
		return nil
	}
	path += "scoringStrategy."
	strategy := args.ScoringStrategy.DeepCopy()
	if err := onlySet(strategy, path, "Type", "Resources"); err != nil {
		return err
	}
	switch strategy.Type {
	case "":
		strategy.Type = kubeschedulerv1.LeastAllocated
	case kubeschedulerv1.LeastAllocated, kubeschedulerv1.MostAllocated:
	default:
		return fmt.Errorf("%stype: %q is not one of LeastAllocated and MostAllocated", path, strategy.Type)
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

func (p *Profile) setBalanced(path string, args *kubeschedulerv1.NodeResourcesBalancedAllocationArgs) error {
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

func (p *Profile) setSpread(path string, args *kubeschedulerv1.PodTopologySpreadArgs) error {
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

// jsonName is the field's name in a file.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "" {
		return field.Name
	}
	return name
}
