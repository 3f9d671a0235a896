package deployment

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/podstate"
	"minik.dev/controllers/replicaset"
)

// world is a cluster without a cluster: one Deployment, its ReplicaSets and pods, and the plans carried out on them.
type world struct {
	t      require.TestingT
	d      *appsv1.Deployment
	sets   []*appsv1.ReplicaSet
	pods   []*corev1.Pod
	serial int
}

// stepDeployment carries out the Deployment's next step. It is false where nothing changed.
func (w *world) stepDeployment() bool {
	selector, err := metav1.LabelSelectorAsSelector(w.d.Spec.Selector)
	require.NoError(w.t, err)
	alive := map[types.UID]int{}
	for _, pod := range w.pods {
		alive[metav1.GetControllerOfNoCopy(pod).UID]++
	}
	plan, err := planDeployment(w.d, selector, w.sets, alive, controllertest.Noon)
	require.NoError(w.t, err)
	if plan.Create != nil {
		rs := plan.Create.DeepCopy()
		w.serial++
		rs.UID, rs.Generation = types.UID(fmt.Sprintf("set-%d", w.serial)), 1
		rs.CreationTimestamp = metav1.Unix(controllertest.Noon.Unix()+int64(w.serial), 0)
		w.sets = append(w.sets, rs)
	}
	for _, u := range plan.Update {
		i := slices.IndexFunc(w.sets, func(rs *appsv1.ReplicaSet) bool { return rs.UID == u.Set.UID })
		if *w.sets[i].Spec.Replicas != *u.Set.Spec.Replicas {
			u.Set.Generation++
		}
		w.sets[i] = u.Set
	}
	for _, deletion := range plan.Delete {
		w.sets = slices.DeleteFunc(w.sets, func(rs *appsv1.ReplicaSet) bool { return rs.UID == deletion.Set.UID })
	}
	changed := plan.Create != nil || len(plan.Update)+len(plan.Delete) > 0 || plan.Revision != "" ||
		describeDeploymentStatus(w.d.Name, w.d.Status, plan.Status) != ""
	w.d = w.d.DeepCopy()
	w.d.Status = plan.Status
	if plan.Revision != "" {
		w.d.Annotations = map[string]string{revisionAnnotation: plan.Revision}
	}
	return changed
}

// stepSet carries out one ReplicaSet's plan. It is false where nothing changed.
func (w *world) stepSet(i int) bool {
	rs := w.sets[i]
	selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
	require.NoError(w.t, err)
	var mine []*corev1.Pod
	for _, pod := range w.pods {
		if metav1.IsControlledBy(pod, rs) {
			mine = append(mine, pod)
		}
	}
	plan := replicaset.PlanFor("ReplicaSet", rs, selector, mine, w.pods, controllertest.Noon)
	for range plan.Create {
		w.serial++
		pod := replicaset.NewPod(rs, *metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")))
		pod.Name = fmt.Sprintf("%s%d", pod.GenerateName, w.serial)
		pod.UID = types.UID(pod.Name)
		pod.Spec.NodeName = fmt.Sprintf("n%d", w.serial%3)
		pod.Status.Phase = corev1.PodRunning
		w.pods = append(w.pods, pod)
	}
	for _, deletion := range plan.Delete {
		i := slices.Index(w.pods, deletion.Pod)
		w.pods[i] = deletion.Pod.DeepCopy()
		w.pods[i].DeletionTimestamp = &metav1.Time{Time: controllertest.Noon}
	}
	if plan.Create > 0 || len(plan.Delete) > 0 {
		return true // as the controller, which reports once it sees what it did
	}
	changed := !equality.Semantic.DeepEqual(rs.Status, plan.Status)
	w.sets[i] = rs.DeepCopy()
	w.sets[i].Status = plan.Status
	return changed
}

// stepPod lets a pod become ready, or one that is being deleted go. It is false where nothing changed.
func (w *world) stepPod(i int) bool {
	pod := w.pods[i]
	if pod.DeletionTimestamp != nil {
		w.pods = slices.Delete(w.pods, i, i+1)
		return true
	}
	if _, ready := podstate.ReadySince(pod); ready {
		return false
	}
	w.pods[i] = pod.DeepCopy()
	w.pods[i].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(controllertest.Noon)}}
	return true
}

// settle lets everything happen until nothing more does.
func (w *world) settle(check func()) {
	for range 10_000 {
		changed := w.stepDeployment()
		check()
		for i := range w.sets {
			changed = w.stepSet(i) || changed
			check()
		}
		for i := len(w.pods) - 1; i >= 0; i-- {
			changed = w.stepPod(i) || changed
			check()
		}
		if !changed {
			return
		}
	}
	require.FailNow(w.t, "the cluster never comes to rest")
}

// counts are the pods that are not being deleted, and those of them that are ready.
func (w *world) counts() (live, ready int32) {
	for _, pod := range w.pods {
		if pod.DeletionTimestamp != nil {
			continue
		}
		live++
		if _, ok := podstate.ReadySince(pod); ok {
			ready++
		}
	}
	return live, ready
}

// TestRollingUpdateKeepsItsLimits: whatever order things happen in, and whatever templates come in the middle, there are
// never fewer than desired minus maxUnavailable ready pods, nor more than desired plus maxSurge; and in the end all pods
// are of the last template. Upstream: "Deployments", "Max Unavailable" and "Max Surge".
func TestRollingUpdateKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := rapid.Int32Range(0, 12).Draw(t, "desired")
		w := &world{t: t, d: aDeployment("web", desired, "v0")}
		limit := rapid.SampledFrom([]string{"0", "1", "2", "5", "25%", "50%", "100%"})
		w.d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{
			MaxSurge:       ptr.To(intstr.Parse(limit.Draw(t, "surge"))),
			MaxUnavailable: ptr.To(intstr.Parse(limit.Draw(t, "unavailable"))),
		}
		w.d.Spec.RevisionHistoryLimit = ptr.To(rapid.Int32Range(0, 3).Draw(t, "history"))
		surge, unavailable, err := fenceposts(w.d)
		require.NoError(t, err)
		w.settle(func() {})

		within := func() {
			live, ready := w.counts()
			require.GreaterOrEqual(t, ready, desired-unavailable, "too few are ready")
			require.LessOrEqual(t, live, desired+surge, "too many are there")
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				w.d = w.d.DeepCopy()
				w.d.Spec.Template = templateOf(rapid.SampledFrom([]string{"v0", "v1", "v2", "v3"}).Draw(t, "template"))
				w.d.Generation++
			case 1, 2, 3:
				w.stepDeployment()
			case 4, 5, 6:
				w.stepSet(rapid.IntRange(0, len(w.sets)-1).Draw(t, "set"))
			default:
				if len(w.pods) > 0 {
					w.stepPod(rapid.IntRange(0, len(w.pods)-1).Draw(t, "pod"))
				}
			}
			within()
		}
		w.settle(within)

		require.Len(t, w.pods, int(desired))
		for _, pod := range w.pods {
			require.Equal(t, w.d.Spec.Template.Spec.Containers[0].Image, pod.Spec.Containers[0].Image)
		}
		require.True(t, complete(w.d, w.d.Status), "status %+v", w.d.Status)
		require.Equal(t, reasonAvailable, findCondition(w.d.Status.Conditions, appsv1.DeploymentProgressing).Reason)
		require.LessOrEqual(t, len(w.sets), int(*w.d.Spec.RevisionHistoryLimit)+1, "history is bounded")
	})
}

// TestScalingMidRolloutArrives: sizes and templates change at random moments; in the end there is what was asked for last.
func TestScalingMidRolloutArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, d: aDeployment("web", 4, "v0")}
		if rapid.Bool().Draw(t, "recreate") {
			w.d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				w.d = w.d.DeepCopy()
				w.d.Spec.Replicas = ptr.To(rapid.Int32Range(0, 12).Draw(t, "size"))
				w.d.Generation++
			case 1:
				w.d = w.d.DeepCopy()
				w.d.Spec.Template = templateOf(rapid.SampledFrom([]string{"v0", "v1", "v2"}).Draw(t, "template"))
				w.d.Generation++
			case 2, 3, 4:
				w.stepDeployment()
			case 5, 6:
				if len(w.sets) > 0 {
					w.stepSet(rapid.IntRange(0, len(w.sets)-1).Draw(t, "set"))
				}
			default:
				if len(w.pods) > 0 {
					w.stepPod(rapid.IntRange(0, len(w.pods)-1).Draw(t, "pod"))
				}
			}
		}
		w.settle(func() {})
		require.Len(t, w.pods, int(*w.d.Spec.Replicas))
		require.True(t, complete(w.d, w.d.Status), "status %+v", w.d.Status)
	})
}

// TestPausedRollsNothingOut: a paused Deployment makes no ReplicaSet, whatever its template becomes. Those that it has it only brings
// to its size: one alone to what is wanted, several to no more than a rollout may have.
func TestPausedRollsNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, d: aDeployment("web", rapid.Int32Range(0, 8).Draw(t, "desired"), "v0")}
		w.settle(func() {})
		w.d.Spec.Template = templateOf("v1")
		for range rapid.IntRange(0, 10).Draw(t, "steps before the pause") {
			w.stepDeployment()
			for i := range w.sets {
				w.stepSet(i)
			}
		}
		w.d.Spec.Paused = true
		before := map[string]bool{}
		for _, rs := range w.sets {
			before[rs.Name] = true
		}
		w.d.Spec.Template = templateOf(rapid.SampledFrom([]string{"v0", "v1", "v2"}).Draw(t, "template"))
		w.settle(func() {})
		var sizes []int32
		for _, rs := range w.sets {
			require.True(t, before[rs.Name], "ReplicaSet %s was made while paused", rs.Name)
			if *rs.Spec.Replicas > 0 {
				sizes = append(sizes, *rs.Spec.Replicas)
			}
		}
		if len(sizes) == 1 {
			require.Equal(t, *w.d.Spec.Replicas, sizes[0])
		}
	})
}
