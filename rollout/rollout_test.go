package rollout

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"minik.dev/controllers"
)

// scenario is one file of testdata: what a cluster shows, and what the user is told.
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
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(file.Name(), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile("testdata/" + file.Name())
			require.NoError(t, err)
			var given scenario
			require.NoError(t, yaml.UnmarshalStrict(data, &given))

			var seen []observed
			see := func(kind, group, plural string, object metav1.Object) {
				object.SetNamespace(cmp.Or(object.GetNamespace(), "default"))
				status := controllers.RolloutStatusOf(schema.GroupResource{Group: group, Resource: plural})
				seen = append(seen, observed{kind, object, status(object.(runtime.Object))})
			}
			for _, d := range given.Deployments {
				see("Deployment", "apps", "deployments", d)
			}
			for _, rs := range given.ReplicaSets {
				see("ReplicaSet", "apps", "replicasets", rs)
			}
			for _, service := range given.Services {
				see("Service", "", "services", service)
			}
			for _, pod := range given.Pods {
				pod.Namespace = "default"
				if slices.Contains(given.Applied, pod.Name) {
					seen = append(seen, observed{"Pod", pod, PodStatus(pod)})
				}
			}
			workloads := workloads(seen, given.Pods)
			var shown []string
			for _, line := range lines(workloads) {
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
	a := Workload{"pod/a", controllers.RolloutStatus{Want: 1, Why: "it has no node yet"}, false}
	b := Workload{"pod/b", controllers.RolloutStatus{Want: 1, Why: "it starts on node-1"}, false}
	display.show([]Workload{a, b})
	require.Empty(t, printed())

	b.Ready, b.State, b.Why = 1, Available, ""
	display.show([]Workload{a, b})
	require.Equal(t, "  ✓ pod/b  1/1\n", printed())

	display.remind([]Workload{a, b})
	require.Equal(t, "  … pod/a  0/1  it has no node yet\n", printed())
	display.remind([]Workload{a, b})
	require.Empty(t, printed(), "that is known")

	a.State, a.Why = Failed, "container a ended with exit code 1 (Error)"
	display.show([]Workload{a, b})
	require.Equal(t, "  ✗ pod/a  0/1  container a ended with exit code 1 (Error)\n", printed())
}

// On a terminal the lines are written over.
func TestRedraw(t *testing.T) {
	require.Equal(t, "\x1b[2Kfirst\n\x1b[J", redraw(0, []string{"first"}, 80))
	require.Equal(t, "\x1b[2A\x1b[2Kabcd…\n\x1b[2Kb\n\x1b[J", redraw(2, []string{"abcdefg", "b"}, 5),
		"a line longer than the terminal would wrap, and the next redraw would miss it")
}

func TestVerdict(t *testing.T) {
	available := Workload{"pod/b", controllers.RolloutStatus{State: Available}, false}
	require.Equal(t, "all 2 available after 1.5s",
		Verdict([]Workload{available, available}, 1500*time.Millisecond))
	failed := Workload{"pod/a", controllers.RolloutStatus{State: Failed}, false}
	require.Contains(t, Verdict([]Workload{available, failed}, 0), "not available: pod/a;")
	require.Contains(t, Verdict(nil, 0), "nothing to wait for", "a ConfigMap alone is no rollout")
}

// What does not come by waiting is not waited for as long as what does.
func TestPatience(t *testing.T) {
	kept := Workload{"deployment/sick", controllers.RolloutStatus{State: Waiting}, true}
	coming := Workload{"deployment/web", controllers.RolloutStatus{State: Waiting}, false}
	done := Workload{"deployment/done", controllers.RolloutStatus{State: Available}, false}
	require.Equal(t, keptPatience, patience([]Workload{kept, done}, 5*time.Minute))
	require.Equal(t, 5*time.Minute, patience([]Workload{kept, coming, done}, 5*time.Minute))
	require.Equal(t, time.Second, patience([]Workload{kept}, time.Second))
	require.Zero(t, patience([]Workload{kept}, 0))
	require.Equal(t, "not available yet: deployment/sick; the cluster goes on: `minik describe`, `minik get events` and `minik why` say more",
		Verdict([]Workload{kept, done}, time.Second))
}
