package scheduler

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

// Configuration is what upstream's KubeSchedulerConfiguration says, as far as it is honoured here.
type Configuration struct {
	// Profiles by the schedulerName that pods ask for.
	Profiles map[string]*Profile
	// InitialBackoff and MaxBackoff bound how long a pod rests after an attempt that failed.
	InitialBackoff, MaxBackoff time.Duration
}

// DefaultConfiguration is upstream's default.
func DefaultConfiguration() *Configuration {
	return &Configuration{
		Profiles:       map[string]*Profile{DefaultSchedulerName: DefaultProfile()},
		InitialBackoff: time.Second,
		MaxBackoff:     10 * time.Second,
	}
}

// LoadConfiguration reads a file with a kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration. Whatever the file
// sets and the scheduler would not honour is an error that names the field.
func LoadConfiguration(path string) (*Configuration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's configuration: %w", err)
	}
	configuration, err := parseConfiguration(data)
	if err != nil {
		return nil, fmt.Errorf("scheduler configuration %s: %w", path, err)
	}
	return configuration, nil
}

func parseConfiguration(data []byte) (*Configuration, error) {
	scheme := runtime.NewScheme()
	if err := kubeschedulerv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the configuration's kinds: %w", err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	object, _, err := decoder.Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	file, ok := object.(*kubeschedulerv1.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not a KubeSchedulerConfiguration", object)
	}
	// The plugins' args are objects of their own inside the file.
	if err := file.DecodeNestedObjects(decoder); err != nil {
		return nil, err
	}
	return newConfiguration(file)
}

func newConfiguration(file *kubeschedulerv1.KubeSchedulerConfiguration) (*Configuration, error) {
	c := DefaultConfiguration()
	if elect := file.LeaderElection.LeaderElect; elect != nil && !*elect {
		file.LeaderElection.LeaderElect = nil // one scheduler that elects no leader is what this is
	}
	if err := onlySet(file, "", "TypeMeta", "Profiles", "PodInitialBackoffSeconds", "PodMaxBackoffSeconds"); err != nil {
		return nil, err
	}
	if s := file.PodInitialBackoffSeconds; s != nil {
		c.InitialBackoff = time.Duration(*s) * time.Second
	}
	if s := file.PodMaxBackoffSeconds; s != nil {
		c.MaxBackoff = time.Duration(*s) * time.Second
	}
	if c.InitialBackoff <= 0 {
		return nil, errors.New("podInitialBackoffSeconds must be greater than 0")
	}
	if c.MaxBackoff < c.InitialBackoff {
		return nil, errors.New("podMaxBackoffSeconds must not be less than podInitialBackoffSeconds")
	}
	if len(file.Profiles) > 0 {
		c.Profiles = map[string]*Profile{}
	}
	for i := range file.Profiles {
		path := fmt.Sprintf("profiles[%d]", i)
		p, err := newProfile(path, &file.Profiles[i])
		if err != nil {
			return nil, err
		}
		if c.Profiles[p.Name] != nil {
			return nil, fmt.Errorf("%s.schedulerName: there are two profiles for %q", path, p.Name)
		}
		c.Profiles[p.Name] = p
	}
	return c, nil
}

func newProfile(path string, file *kubeschedulerv1.KubeSchedulerProfile) (*Profile, error) {
	p := DefaultProfile()
	if err := onlySet(file, path+".", "SchedulerName", "Plugins", "PluginConfig"); err != nil {
		return nil, err
	}
	if file.SchedulerName != nil {
		p.Name = *file.SchedulerName
	}
	if p.Name == "" {
		return nil, fmt.Errorf("%s.schedulerName must not be empty", path)
	}
	if file.Plugins != nil {
		if err := p.setPlugins(path+".plugins.", file.Plugins); err != nil {
			return nil, err
		}
	}
	for i, plugin := range file.PluginConfig {
		if err := p.setArgs(fmt.Sprintf("%s.pluginConfig[%d]", path, i), plugin); err != nil {
			return nil, err
		}
	}
	return p.complete(), nil
}

// setPlugins applies the sets of plugins. In each, "disabled" is taken first, so that a plugin may be disabled and
// enabled again with another weight.
func (p *Profile) setPlugins(path string, file *kubeschedulerv1.Plugins) error {
	if err := onlySet(file, path, "Filter", "Score", "MultiPoint"); err != nil {
		return err
	}
	sets := []struct {
		name          string
		set           kubeschedulerv1.PluginSet
		filter, score bool
	}{
		{"multiPoint", file.MultiPoint, true, true},
		{"filter", file.Filter, true, false},
		{"score", file.Score, false, true},
	}
	for _, s := range sets {
		for i, plugin := range s.set.Disabled {
			if err := p.disable(plugin.Name, s.filter, s.score); err != nil {
				return fmt.Errorf("%s%s.disabled[%d]: %w", path, s.name, i, err)
			}
		}
		for i, plugin := range s.set.Enabled {
			if err := p.enable(plugin, s.filter, s.score); err != nil {
				return fmt.Errorf("%s%s.enabled[%d]: %w", path, s.name, i, err)
			}
		}
	}
	return nil
}

func (p *Profile) disable(name string, filter, score bool) error {
	if name == "*" {
		if filter {
			p.Filters = map[string]bool{}
		}
		if score {
			p.Weights = map[string]int64{}
		}
		return nil
	}
	if err := known(name, filter, score); err != nil {
		return err
	}
	if filter {
		delete(p.Filters, name)
	}
	if score {
		delete(p.Weights, name)
	}
	return nil
}

func (p *Profile) enable(plugin kubeschedulerv1.Plugin, filter, score bool) error {
	if err := known(plugin.Name, filter, score); err != nil {
		return err
	}
	if filter && isFilter(plugin.Name) {
		p.Filters[plugin.Name] = true
	}
	weight, scored := defaultWeight(plugin.Name)
	if !score || !scored {
		return nil
	}
	if plugin.Weight != nil && *plugin.Weight != 0 {
		weight = int64(*plugin.Weight)
	}
	if weight < 0 {
		return fmt.Errorf("plugin %q: weight %d is negative", plugin.Name, weight)
	}
	p.Weights[plugin.Name] = weight
	return nil
}

// known reports a plugin that is not here, or that does nothing at the extension point.
func known(name string, filter, score bool) error {
	_, scored := defaultWeight(name)
	if filter && isFilter(name) || score && scored {
		return nil
	}
	if isFilter(name) || scored {
		return fmt.Errorf("plugin %q does nothing at this extension point", name)
	}
	return fmt.Errorf("there is no plugin %q; there are %v", name, pluginNames())
}

func isFilter(name string) bool {
	return slices.ContainsFunc(filters(), func(f filter) bool { return f.name == name })
}

func defaultWeight(name string) (int64, bool) {
	for _, s := range scores() {
		if s.name == name {
			return s.weight, true
		}
	}
	return 0, false
}

func pluginNames() []string {
	var names []string
	for _, f := range filters() {
		names = append(names, f.name)
	}
	for _, s := range scores() {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// onlySet reports the first field of the struct that is set although it is not among those honoured.
func onlySet(file any, path string, honoured ...string) error {
	v := reflect.ValueOf(file).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if slices.Contains(honoured, field.Name) || v.Field(i).IsZero() {
			continue
		}
		return fmt.Errorf("%s%s is set, and this scheduler does not honour it", path, jsonName(field))
	}
	return nil
}
