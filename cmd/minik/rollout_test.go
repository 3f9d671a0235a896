package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// scenario is one file of testdata/rollout: what a cluster shows, and what the user is told.
type scenario struct {
	Deployments []*appsv1.Deployment
	ReplicaSets []*appsv1.ReplicaSet
	Pods        []*corev1.Pod
	Services    []*corev1.Service
	// Applied are the pods that were applied by themselves.
	Applied []string
	Settled bool
	Shown   []string
}

func TestRollout(t *testing.T) {
	files, err := os.ReadDir("testdata/rollout")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(file.Name(), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile("testdata/rollout/" + file.Name())
			require.NoError(t, err)
			var given scenario
			require.NoError(t, yaml.UnmarshalStrict(data, &given))

			seen := observed{Deployments: given.Deployments, ReplicaSets: given.ReplicaSets, Services: given.Services,
				Applied: map[objectKey]bool{}}
			for _, d := range seen.Deployments {
				d.Namespace = "default"
			}
			for _, rs := range seen.ReplicaSets {
				rs.Namespace = "default"
			}
			for _, pod := range given.Pods {
				pod.Namespace = "default"
				seen.Pods = append(seen.Pods, pod)
			}
			for _, name := range given.Applied {
				seen.Applied[objectKey{"default", name}] = true
			}
			workloads := rollout(seen)
			var shown []string
			for _, line := range rolloutLines(workloads) {
				shown = append(shown, strings.TrimSpace(line))
			}
			require.Equal(t, given.Shown, shown)
			require.Equal(t, given.Settled, settled(workloads))
		})
	}
}

// Where nothing can be written over, a line comes when something is done, and a reminder of what is not.
func TestDisplayWithoutTerminal(t *testing.T) {
	var out strings.Builder
	display := newDisplay(&out)
	printed := func() string {
		defer out.Reset()
		return out.String()
	}
	a := workload{Name: "pod/a", Want: 1, Why: "it has no node yet"}
	b := workload{Name: "pod/b", Want: 1, Why: "it starts on node-1"}
	display.show([]workload{a, b})
	require.Empty(t, printed())

	b.Ready, b.State, b.Why = 1, available, ""
	display.show([]workload{a, b})
	require.Equal(t, "  ✓ pod/b  1/1\n", printed())

	display.remind([]workload{a, b})
	require.Equal(t, "  … pod/a  0/1  it has no node yet\n", printed())
	display.remind([]workload{a, b})
	require.Empty(t, printed(), "that is known")

	a.State, a.Why = failed, "container a ended with exit code 1 (Error)"
	display.show([]workload{a, b})
	require.Equal(t, "  ✗ pod/a  0/1  container a ended with exit code 1 (Error)\n", printed())
}

// On a terminal the lines are written over.
func TestRedraw(t *testing.T) {
	require.Equal(t, "\x1b[2Kfirst\n\x1b[J", redraw(0, []string{"first"}, 80))
	require.Equal(t, "\x1b[2A\x1b[2Kabcd…\n\x1b[2Kb\n\x1b[J", redraw(2, []string{"abcdefg", "b"}, 5),
		"a line longer than the terminal would wrap, and the next redraw would miss it")
}

func TestRolloutVerdict(t *testing.T) {
	require.Equal(t, "all 2 available after 1.5s",
		rolloutVerdict([]workload{{State: available}, {State: available}}, 1500*time.Millisecond))
	require.Contains(t, rolloutVerdict([]workload{{State: available}, {Name: "pod/a", State: failed}}, 0), "not available: pod/a;")
	require.Contains(t, rolloutVerdict(nil, 0), "nothing to wait for", "a ConfigMap alone is no rollout")
}
