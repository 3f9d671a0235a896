package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"

	"minik.dev/scheduler/framework"
)

// Configuration is what upstream's KubeSchedulerConfiguration says, as far as it is honoured here.
type Configuration struct {
	// Profiles by the schedulerName that pods ask for.
	Profiles map[string]*framework.Profile
	// InitialBackoff and MaxBackoff bound how long a pod rests after an attempt that failed.
	InitialBackoff, MaxBackoff time.Duration
	// Extenders have a say in every profile, in this order.
	Extenders []*extender
	// LeaderElection is for several schedulers at work on one cluster: see [Candidate].
	LeaderElection LeaderElection
}

// DefaultConfiguration is upstream's default.
func DefaultConfiguration() *Configuration {
	return &Configuration{
		Profiles:       map[string]*framework.Profile{framework.DefaultSchedulerName: framework.DefaultProfile()},
		InitialBackoff: time.Second,
		MaxBackoff:     10 * time.Second,
		LeaderElection: defaultElection(),
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
	if err := onlySet(file, "", "TypeMeta", "Profiles", "PodInitialBackoffSeconds", "PodMaxBackoffSeconds",
		"Extenders", "LeaderElection"); err != nil {
		return nil, err
	}
	if err := c.setElection(file); err != nil {
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
		c.Profiles = map[string]*framework.Profile{}
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
	return c, c.setExtenders(file.Extenders)
}

func (c *Configuration) setExtenders(files []kubeschedulerv1.Extender) error {
	binds := false
	for i, file := range files {
		path := fmt.Sprintf("extenders[%d]", i)
		e, err := newExtender(path, file)
		if err != nil {
			return err
		}
		if e.BindVerb != "" && binds {
			return fmt.Errorf("%s.bindVerb: only one extender may bind", path)
		}
		binds = binds || e.BindVerb != ""
		c.Extenders = append(c.Extenders, e)
		for _, r := range e.ManagedResources {
			for _, p := range c.Profiles {
				if r.IgnoredByScheduler {
					p.IgnoredResources = append(slices.Clone(p.IgnoredResources), r.Name)
				}
			}
		}
	}
	return nil
}

// profile is one that is being read from a file.
type profile struct{ *framework.Profile }

func newProfile(path string, file *kubeschedulerv1.KubeSchedulerProfile) (*framework.Profile, error) {
	p := profile{framework.DefaultProfile()}
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
	return p.Complete(), nil
}

// setPlugins applies the sets of plugins. In each, "disabled" is taken first, so that a plugin may be disabled and
// enabled again with another weight.
func (p profile) setPlugins(path string, file *kubeschedulerv1.Plugins) error {
	if err := onlySet(file, path, "PreEnqueue", "QueueSort", "Filter", "PostFilter", "Score",
		"Bind", "MultiPoint"); err != nil {
		return err
	}
	if err := keepAlways(path, file); err != nil {
		return err
	}
	sets := []struct {
		name                string
		set                 kubeschedulerv1.PluginSet
		filter, post, score bool
	}{
		{"multiPoint", file.MultiPoint, true, true, true},
		{"filter", file.Filter, true, false, false},
		{"postFilter", file.PostFilter, false, true, false},
		{"score", file.Score, false, false, true},
	}
	for _, s := range sets {
		for i, plugin := range s.set.Disabled {
			if err := p.disable(plugin.Name, s.filter, s.post, s.score); err != nil {
				return fmt.Errorf("%s%s.disabled[%d]: %w", path, s.name, i, err)
			}
		}
		for i, plugin := range s.set.Enabled {
			if err := p.enable(plugin, s.filter, s.post, s.score); err != nil {
				return fmt.Errorf("%s%s.enabled[%d]: %w", path, s.name, i, err)
			}
		}
	}
	return nil
}

// always are the plugins that this scheduler cannot do without, by the extension point where they act. A file may name
// them among those enabled, as it does where it disables all and lists its own.
var always = map[string]string{
	"SchedulingGates": "preEnqueue",
	"PrioritySort":    "queueSort",
	"DefaultBinder":   "bind",
}

// keepAlways reports a file that disables one of these, or names another plugin where they act.
func keepAlways(path string, file *kubeschedulerv1.Plugins) error {
	for point, set := range map[string]kubeschedulerv1.PluginSet{
		"preEnqueue": file.PreEnqueue, "queueSort": file.QueueSort, "bind": file.Bind,
	} {
		enabled := len(set.Disabled) == 0
		for i, plugin := range set.Enabled {
			if err := known(plugin.Name, false, false, false); always[plugin.Name] != point {
				return fmt.Errorf("%s%s.enabled[%d]: %w", path, point, i, err)
			}
			enabled = true
		}
		if !enabled {
			return fmt.Errorf("%s%s.disabled: this scheduler does not do without its plugin", path, point)
		}
	}
	return nil
}

func (p profile) disable(name string, filter, post, score bool) error {
	if name == "*" {
		p.Preempts = p.Preempts && !post
		if filter {
			p.Filters = map[string]bool{}
		}
		if score {
			p.Weights = map[string]int64{}
		}
		return nil
	}
	if always[name] != "" {
		return fmt.Errorf("this scheduler does not do without plugin %q", name)
	}
	if err := known(name, filter, post, score); err != nil {
		return err
	}
	if framework.Plugins()[name].PostFilter {
		p.Preempts = false
	}
	if filter {
		delete(p.Filters, name)
	}
	if score {
		delete(p.Weights, name)
	}
	return nil
}

func (p profile) enable(plugin kubeschedulerv1.Plugin, filter, post, score bool) error {
	if filter && score && always[plugin.Name] != "" {
		return nil // at multiPoint
	}
	if err := known(plugin.Name, filter, post, score); err != nil {
		return err
	}
	acts := framework.Plugins()[plugin.Name]
	if acts.PostFilter {
		p.Preempts = true
	}
	if filter && acts.Filter {
		p.Filters[plugin.Name] = true
	}
	weight := acts.Weight
	if !score || weight == 0 {
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
func known(name string, filter, post, score bool) error {
	acts, ok := framework.Plugins()[name]
	if filter && acts.Filter || score && acts.Weight > 0 || post && acts.PostFilter {
		return nil
	}
	if ok || always[name] != "" {
		return fmt.Errorf("plugin %q does nothing at this extension point", name)
	}
	return fmt.Errorf("there is no plugin %q; there are %v", name, pluginNames())
}

func pluginNames() []string {
	names := slices.Collect(maps.Keys(always))
	names = slices.AppendSeq(names, maps.Keys(framework.Plugins()))
	slices.Sort(names)
	return names
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
