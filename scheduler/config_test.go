package scheduler

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
)

const configurationHead = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

func TestConfigurationIsHonoured(t *testing.T) {
	c, err := parseConfiguration([]byte(configurationHead + `
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 30
leaderElection: {leaderElect: false}
profiles:
- schedulerName: default-scheduler
- schedulerName: packer
  plugins:
    score:
      disabled: [{name: PodTopologySpread}, {name: TaintToleration}]
      enabled: [{name: TaintToleration, weight: 9}]
    filter:
      disabled: [{name: NodePorts}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: nvidia.com/gpu, weight: 5}, {name: cpu}]}}
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway}]
`))
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, c.InitialBackoff)
	require.Equal(t, 30*time.Second, c.MaxBackoff)
	require.Len(t, c.Profiles, 2)
	require.Equal(t, DefaultProfile().Weights, c.Profiles["default-scheduler"].Weights)

	packer := c.Profiles["packer"]
	require.Equal(t, map[string]int64{
		TaintToleration: 9, NodeAffinity: 2, NodeResourcesFit: 1, NodeResourcesBalancedAllocation: 1,
	}, packer.Weights)
	require.False(t, packer.Filters[NodePorts])
	require.True(t, packer.Filters[NodeResourcesFit])
	require.Equal(t, kubeschedulerv1.MostAllocated, packer.Fit.Type)
	require.Equal(t, []kubeschedulerv1.ResourceSpec{{Name: "nvidia.com/gpu", Weight: 5}, {Name: "cpu", Weight: 1}},
		packer.Fit.Resources)
	require.False(t, packer.SystemSpread)
	require.Equal(t, "rack", packer.Spread[0].TopologyKey)
}

// What is not honoured is never passed over.
func TestConfigurationErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"profiles:\n- schedulerNam: x", `unknown field "profiles[0].schedulerNam"`},
		{"parallelism: 4", "parallelism is set, and this scheduler does not honour it"},
		{"leaderElection: {leaderElect: true}", "leaderElection is set"},
		{"podInitialBackoffSeconds: 0", "podInitialBackoffSeconds must be greater than 0"},
		{"podMaxBackoffSeconds: -1", "podMaxBackoffSeconds must not be less than"},
		{"profiles: [{}, {}]", `profiles[1].schedulerName: there are two profiles for "default-scheduler"`},
		{"profiles: [{plugins: {score: {enabled: [{name: Gravity}]}}}]",
			`profiles[0].plugins.score.enabled[0]: there is no plugin "Gravity"; there are [NodeAffinity NodeName `},
		{"profiles: [{plugins: {score: {disabled: [{name: NodePorts}]}}}]",
			`score.disabled[0]: plugin "NodePorts" does nothing at this extension point`},
		{"profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]", "profiles[0].plugins.bind is set"},
		{"profiles: [{pluginConfig: [{name: Gravity, args: {g: 9}}]}]",
			`profiles[0].pluginConfig[0]: there is no plugin "Gravity"`},
		{"profiles: [{pluginConfig: [{name: NodePorts, args: {g: 9}}]}]", `plugin "NodePorts" takes no args`},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {ignoredResources: [a/b]}}]}]",
			"profiles[0].pluginConfig[0].args.ignoredResources is set"},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: RequestedToCapacityRatio}}}]}]",
			`"RequestedToCapacityRatio" is not one of LeastAllocated and MostAllocated`},
		{"profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {}}}]}]", "addedAffinity is set"},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {strategy: 1}}]}]", `unknown field "strategy"`},
	} {
		_, err := parseConfiguration([]byte(configurationHead + c.file))
		require.ErrorContains(t, err, c.want, c.file)
	}
	_, err := parseConfiguration([]byte("apiVersion: v1\nkind: Pod"))
	require.ErrorContains(t, err, "Pod")
}

func TestLoadConfigurationNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scheduler.yaml")
	_, err := LoadConfiguration(path)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, []byte(configurationHead+"parallelism: 4"), 0o600))
	_, err = LoadConfiguration(path)
	require.ErrorContains(t, err, path+": parallelism is set")
	require.NoError(t, os.WriteFile(path, []byte(configurationHead), 0o600))
	_, err = LoadConfiguration(path)
	require.NoError(t, err)
}
