package replicaset

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
)

// TestReplicaSetConverges: from any pods whatever, in any state and of any owner, carrying the plan out again and again
// leads to exactly the wanted number, and then to no plan at all.
func TestReplicaSetConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := controllertest.ReplicaSet("web", rapid.Int32Range(0, 8).Draw(t, "wanted"))
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		require.NoError(t, err)
		var pods []*corev1.Pod
		for i := range rapid.IntRange(0, 12).Draw(t, "pods") {
			pods = append(pods, anyPod(t, fmt.Sprintf("p%d", i)))
		}
		serial := 0
		for round := 0; ; round++ {
			require.Less(t, round, 5, "the ReplicaSet never comes to rest")
			plan := PlanFor("ReplicaSet", rs, selector, pods, pods, controllertest.Noon)
			if plan.Create+len(plan.Delete)+len(plan.Claims.Adopt)+len(plan.Claims.Release) == 0 {
				require.Equal(t, *rs.Spec.Replicas, plan.Status.Replicas)
				return
			}
			require.False(t, plan.Create > 0 && len(plan.Delete) > 0, "it makes and deletes at once")
			for _, pod := range plan.Claims.Adopt {
				pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(rs,
					appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
			}
			for _, pod := range plan.Claims.Release {
				pod.OwnerReferences = nil
			}
			for range plan.Create {
				serial++
				pods = append(pods, controllertest.PodGiven(controllertest.Given{T: t, Name: fmt.Sprintf("new-%d", serial)}))
			}
			for _, deletion := range plan.Delete {
				pods = slices.DeleteFunc(pods, func(pod *corev1.Pod) bool { return pod == deletion.Pod })
			}
		}
	})
}

// anyPod may be of any owner and in any state.
func anyPod(t *rapid.T, name string) *corev1.Pod {
	said := map[string]string{
		"app":   rapid.SampledFrom([]string{"web", "web", "debug"}).Draw(t, "app"),
		"owner": rapid.SampledFrom([]string{"web", "web", "other", "none"}).Draw(t, "owner"),
		"phase": rapid.SampledFrom([]string{"Pending", "Running", "Failed", "Succeeded", "Unknown"}).Draw(t, "phase"),
		"node":  rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, "node"),
	}
	if rapid.Bool().Draw(t, "deleting") {
		said["deleting"] = ""
	}
	if ready := rapid.SampledFrom([]string{"", "1m", "5m"}).Draw(t, "ready"); ready != "" {
		said["ready"] = ready
	}
	return controllertest.PodGiven(controllertest.Given{T: t, Name: name, Said: said})
}

// TestCountsAlike: a change of a pod that wakes no ReplicaSet leaves the plan of each as it is, but for which pods go first.
func TestCountsAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := controllertest.ReplicaSet("web", rapid.Int32Range(0, 3).Draw(t, "wanted"))
		rs.Spec.MinReadySeconds = rapid.SampledFrom([]int32{0, 600}).Draw(t, "minReadySeconds")
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		require.NoError(t, err)
		plan := func(pod *corev1.Pod) []any {
			pods := []*corev1.Pod{pod, controllertest.PodGiven(controllertest.Given{T: t, Name: "other"})}
			p := PlanFor("ReplicaSet", rs, selector, pods, pods, controllertest.Noon)
			return []any{p.Create, len(p.Delete), len(p.Claims.Kept), len(p.Claims.Adopt), len(p.Claims.Release), p.Status, p.Again}
		}
		states := make([]*corev1.Pod, 8)
		for i := range states {
			states[i] = anyPod(t, "p")
		}
		for _, old := range states {
			for _, pod := range states {
				if countsAlike(old, pod) {
					require.Equal(t, plan(old), plan(pod))
				}
			}
		}
	})
	bound := controllertest.PodGiven(controllertest.Given{T: t, Name: "p", Said: map[string]string{"node": "", "phase": "Pending"}})
	pod := bound.DeepCopy()
	pod.Spec.NodeName = "n1"
	require.True(t, countsAlike(bound, pod), "a binding wakes the ReplicaSet")
}

// TestNeverTwoPodsForOne: the controller acts on a cache that lags by any number of events, and is woken at any moment. It
// never has more pods on the server than it wanted at most, because it waits until the cache shows its own writes.
func TestNeverTwoPodsForOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server := newLaggingServer(t)
		rs := controllertest.ReplicaSet("web", rapid.Int32Range(1, 6).Draw(t, "wanted"))
		selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
		require.NoError(t, err)
		var writes loop.OwnWrites
		reconcile := func() {
			if !writes.ShownBy(server.cache, loop.KeyOf(rs)) {
				return
			}
			before := server.live()
			plan := PlanFor("ReplicaSet", rs, selector, server.cached(), server.cached(), controllertest.Noon)
			for range plan.Create {
				writes.Wrote(loop.KeyOf(rs), server.create())
			}
			for _, deletion := range plan.Delete {
				server.delete(deletion.Pod.Name, rapid.Bool().Draw(t, "at once"))
				writes.Deleted(loop.KeyOf(rs), deletion.Pod)
			}
			require.LessOrEqual(t, server.live(), max(before, int(*rs.Spec.Replicas)), "a pod was made twice")
			if plan.Create == 0 && len(plan.Delete) > 0 {
				require.GreaterOrEqual(t, server.live(), min(before, int(*rs.Spec.Replicas))-server.unseenLosses,
					"a pod was deleted twice")
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				reconcile()
			case 4, 5, 6:
				server.catchUp(rapid.IntRange(1, 4).Draw(t, "events"))
			case 7:
				rs = rs.DeepCopy()
				*rs.Spec.Replicas = rapid.Int32Range(0, 6).Draw(t, "size")
			case 8:
				server.change(t, func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })
			case 9:
				server.change(t, func(pod *corev1.Pod) {
					pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
				})
			}
		}
		for range 4 {
			server.catchUp(len(server.events))
			reconcile()
		}
		require.Equal(t, int(*rs.Spec.Replicas), server.live(), "in the end there are as many as wanted")
	})
}

// laggingServer has pods, and a cache that shows its events one by one.
type laggingServer struct {
	t        *rapid.T
	revision int
	pods     map[string]*corev1.Pod
	events   []func(cache.Store) error // not shown yet
	cache    cache.Indexer
	// unseenLosses are pods that ended by themselves while the cache showed them alive.
	unseenLosses int
}

func newLaggingServer(t *rapid.T) *laggingServer {
	return &laggingServer{t: t, pods: map[string]*corev1.Pod{}, cache: cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)}
}

func (s *laggingServer) stamp(pod *corev1.Pod) *corev1.Pod {
	s.revision++
	pod.ResourceVersion = strconv.Itoa(s.revision)
	return pod
}

func (s *laggingServer) create() *corev1.Pod {
	pod := s.stamp(controllertest.PodGiven(controllertest.Given{T: s.t, Name: fmt.Sprintf("p%d", s.revision+1)}))
	s.pods[pod.Name] = pod
	s.events = append(s.events, func(c cache.Store) error { return c.Add(pod) })
	return pod
}

func (s *laggingServer) delete(name string, atOnce bool) {
	if s.pods[name] == nil {
		return
	}
	pod := s.stamp(s.pods[name].DeepCopy())
	if atOnce {
		delete(s.pods, name)
		s.events = append(s.events, func(c cache.Store) error { return c.Delete(pod) })
		return
	}
	pod.DeletionTimestamp = &metav1.Time{Time: controllertest.Noon}
	s.pods[name] = pod
	s.events = append(s.events, func(c cache.Store) error { return c.Update(pod) })
}

// change changes one live pod.
func (s *laggingServer) change(t *rapid.T, f func(*corev1.Pod)) {
	var names []string
	for name, pod := range s.pods {
		if podstate.Active(pod) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	pod := s.stamp(s.pods[rapid.SampledFrom(names).Draw(t, "pod")].DeepCopy())
	f(pod)
	lost := !podstate.Active(pod)
	if lost {
		s.unseenLosses++
	}
	s.pods[pod.Name] = pod
	s.events = append(s.events, func(c cache.Store) error {
		if lost {
			s.unseenLosses--
		}
		return c.Update(pod)
	})
}

func (s *laggingServer) catchUp(n int) {
	for _, event := range s.events[:min(n, len(s.events))] {
		require.NoError(s.t, event(s.cache))
	}
	s.events = s.events[min(n, len(s.events)):]
}

func (s *laggingServer) cached() []*corev1.Pod {
	var out []*corev1.Pod
	for _, obj := range s.cache.List() {
		out = append(out, obj.(*corev1.Pod))
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return len(a.Name) - len(b.Name) })
	return out
}

func (s *laggingServer) live() int {
	n := 0
	for _, pod := range s.pods {
		if podstate.Active(pod) {
			n++
		}
	}
	return n
}
