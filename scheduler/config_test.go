package scheduler

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"

	"minik.dev/scheduler/framework"
)

const configurationHead = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

func TestConfigurationIsHonoured(t *testing.T) {
	c, err := parseConfiguration([]byte(configurationHead + `
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 30
leaderElection: {leaderElect: true, leaseDuration: 30s, resourceName: pair}
profiles:
- schedulerName: default-scheduler
- schedulerName: packer
  plugins:
    score:
      disabled: [{name: PodTopologySpread}, {name: TaintToleration}]
      enabled: [{name: TaintToleration, weight: 9}]
    filter:
      disabled: [{name: NodePorts}]
    postFilter:
      disabled: [{name: DefaultPreemption}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: nvidia.com/gpu, weight: 5}, {name: cpu}]}}
  - name: DefaultPreemption
    args: {minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 3}
  - name: InterPodAffinity
    args: {hardPodAffinityWeight: 7, ignorePreferredTermsOfExistingPods: true}
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway}]
`))
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, c.InitialBackoff)
	require.Equal(t, 30*time.Second, c.MaxBackoff)
	yes := true
	require.Equal(t, LeaderElection{
		LeaderElect: &yes, Namespace: "kube-system", Name: "pair",
		LeaseDuration: 30 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
	}, c.LeaderElection)
	require.Len(t, c.Profiles, 2)
	require.Equal(t, framework.DefaultProfile().Weights, c.Profiles["default-scheduler"].Weights)

	packer := c.Profiles["packer"]
	require.Equal(t, map[string]int64{
		framework.TaintToleration: 9, framework.NodeAffinity: 2, framework.NodeResourcesFit: 1,
		framework.NodeResourcesBalancedAllocation: 1, framework.InterPodAffinity: 2, framework.ImageLocality: 1,
	}, packer.Weights)
	require.False(t, packer.Filters[framework.NodePorts])
	require.True(t, packer.Filters[framework.NodeResourcesFit])
	require.Equal(t, kubeschedulerv1.MostAllocated, packer.Fit.Type)
	require.Equal(t, []kubeschedulerv1.ResourceSpec{{Name: "nvidia.com/gpu", Weight: 5}, {Name: "cpu", Weight: 1}},
		packer.Fit.Resources)
	require.False(t, packer.Preempts)
	require.True(t, c.Profiles["default-scheduler"].Preempts)
	require.Equal(t, int32(3), packer.MinCandidateNodesAbsolute)
	require.Equal(t, int32(7), packer.HardPodAffinityWeight)
	require.True(t, packer.IgnorePreferredTermsOfExistingPods)
	require.False(t, packer.SystemSpread)
	require.Equal(t, "rack", packer.Spread[0].TopologyKey)
}

func ratioArgs(points string) string {
	return "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: RequestedToCapacityRatio, " +
		"requestedToCapacityRatio: {shape: [" + points + "]}}}}]}]"
}

// A file may disable everything, and list what it wants, as upstream's examples do.
func TestConfigurationFromScratch(t *testing.T) {
	c, err := parseConfiguration([]byte(configurationHead + `
profiles:
- plugins:
    queueSort: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}]}
    multiPoint:
      disabled: [{name: '*'}]
      enabled:
      - {name: SchedulingGates}
      - {name: PrioritySort}
      - {name: NodeResourcesFit, weight: 3}
      - {name: DefaultBinder}
`))
	require.NoError(t, err)
	p := c.Profiles[framework.DefaultSchedulerName]
	require.Equal(t, map[string]bool{framework.NodeResourcesFit: true}, p.Filters)
	require.Equal(t, map[string]int64{framework.NodeResourcesFit: 3}, p.Weights)
	require.False(t, p.Preempts)
}

// What is not honoured is never passed over.
func TestConfigurationErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"profiles:\n- schedulerNam: x", `unknown field "profiles[0].schedulerNam"`},
		{"parallelism: 4", "parallelism is set, and this scheduler does not honour it"},
		{"leaderElection: {resourceLock: endpoints}", `leaderElection.resourceLock: "endpoints" is not "leases"`},
		{"leaderElection: {leaseDuration: -1s}", "leaderElection.leaseDuration must be greater than zero"},
		{"leaderElection: {renewDeadline: -1s}", "leaderElection.renewDeadline must be greater than zero"},
		{"leaderElection: {retryPeriod: -1s}", "leaderElection.retryPeriod must be greater than zero"},
		{"leaderElection: {leaseDuration: 10s}", "leaderElection.leaseDuration must be greater than renewDeadline"},
		{"leaderElection: {retryPeriod: 9s}", "leaderElection.renewDeadline must be greater than retryPeriod times 1.2"},
		{"podInitialBackoffSeconds: 0", "podInitialBackoffSeconds must be greater than 0"},
		{"podMaxBackoffSeconds: -1", "podMaxBackoffSeconds must not be less than"},
		{"profiles: [{}, {}]", `profiles[1].schedulerName: there are two profiles for "default-scheduler"`},
		{"profiles: [{plugins: {score: {enabled: [{name: Gravity}]}}}]",
			`profiles[0].plugins.score.enabled[0]: there is no plugin "Gravity"; there are [DefaultBinder DefaultPreemption `},
		{"profiles: [{plugins: {score: {disabled: [{name: NodePorts}]}}}]",
			`score.disabled[0]: plugin "NodePorts" does nothing at this extension point`},
		{"profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]",
			"profiles[0].plugins.bind.disabled: this scheduler does not do without its plugin"},
		{"profiles: [{plugins: {queueSort: {enabled: [{name: NodePorts}]}}}]",
			`plugins.queueSort.enabled[0]: plugin "NodePorts" does nothing at this extension point`},
		{"profiles: [{plugins: {multiPoint: {disabled: [{name: SchedulingGates}]}}}]",
			`this scheduler does not do without plugin "SchedulingGates"`},
		{"profiles: [{plugins: {permit: {enabled: [{name: Gravity}]}}}]", "profiles[0].plugins.permit is set"},
		{"profiles: [{pluginConfig: [{name: Gravity, args: {g: 9}}]}]",
			`profiles[0].pluginConfig[0]: there is no plugin "Gravity"`},
		{"profiles: [{pluginConfig: [{name: NodePorts, args: {g: 9}}]}]", `plugin "NodePorts" takes no args`},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {ignoredResourceGroups: [a/b]}}]}]",
			"profiles[0].pluginConfig[0].args.ignoredResourceGroups[0]: \"a/b\" must not contain '/'"},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: RequestedToCapacityRatio}}}]}]",
			"scoringStrategy.requestedToCapacityRatio.shape: at least one point must be specified"},
		{ratioArgs("{utilization: 101, score: 1}"), "shape[0].utilization: 101 is not between 0 and 100"},
		{ratioArgs("{utilization: 10, score: 11}"), "shape[0].score: 11 is not between 0 and 10"},
		{ratioArgs("{utilization: 10, score: 1}, {utilization: 10, score: 2}"),
			"shape[1].utilization: values must be sorted in increasing order"},
		{"profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Fair}}}]}]",
			`"Fair" is not one of LeastAllocated, MostAllocated and RequestedToCapacityRatio`},
		{"profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: " +
			"{nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Near}]}]}}}}]}]",
			"addedAffinity.requiredDuringSchedulingIgnoredDuringExecution: "},
		{"profiles: [{plugins: {filter: {disabled: [{name: DefaultPreemption}]}}}]", "does nothing at this extension point"},
		{"profiles: [{pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodesPercentage: 101}}]}]",
			"minCandidateNodesPercentage: 101 is not between 0 and 100"},
		{"profiles: [{pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodesAbsolute: -1}}]}]",
			"minCandidateNodesAbsolute: -1 is negative"},
		{"profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]",
			"hardPodAffinityWeight: 101 is not between 0 and 100"},
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
