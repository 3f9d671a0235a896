package nodelifecycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/controllers/controllertest"
)

// The rules are those of https://kubernetes.io/docs/concepts/architecture/nodes/ (heartbeats, node controller, rate limits
// on eviction) and of https://kubernetes.io/docs/reference/labels-annotations-taints/.
func TestPlanNodes(t *testing.T) {
	controllertest.YAMLScenarios(t, func(t *testing.T, given []runtime.Object) string {
		heartbeats := map[string]heartbeat{}
		for _, lease := range controllertest.Each[*coordinationv1.Lease](given) {
			ago, err := time.ParseDuration(lease.Annotations["seen"])
			require.NoError(t, err)
			heartbeats[lease.Name] = heartbeat{seen: controllertest.Noon.Add(-ago),
				patience: time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second}
		}
		var out strings.Builder
		nodes := controllertest.Each[*corev1.Node](given)
		for i, node := range nodes {
			h, ok := heartbeats[node.Name]
			if !ok {
				h = heartbeat{seen: controllertest.Noon.Add(-time.Minute), patience: patienceWithoutLease}
			}
			fmt.Fprintln(&out, node.Name)
			health := planNodeHealth(node, h, controllertest.Noon)
			fmt.Fprintf(&out, "  late=%t: %s\n", health.Late, health.Reason)
			if health.Status != nil {
				nodes[i] = health.Status
				for _, c := range health.Status.Status.Conditions {
					fmt.Fprintf(&out, "    %s=%s %s %q\n", c.Type, c.Status, c.Reason, c.Message)
				}
			}
			if taints := planNoScheduleTaints(nodes[i], controllertest.Noon); taints.Node != nil {
				fmt.Fprintf(&out, "  %s\n", taints.Reason)
			}
		}
		states := zoneStates(nodes)
		for _, node := range nodes {
			if taints := planNoExecuteTaints(node, states[zoneOf(node)], controllertest.Noon); taints.Node != nil {
				fmt.Fprintf(&out, "%s then\n  %s\n", node.Name, taints.Reason)
			}
		}
		return out.String()
	})
}

// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
func TestPlanEviction(t *testing.T) {
	since := metav1.NewTime(controllertest.Noon.Add(-100 * time.Second))
	unreachable := corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute, TimeAdded: &since}
	noSchedule := corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule, TimeAdded: &since}
	other := corev1.Taint{Key: "other", Effect: corev1.TaintEffectNoExecute, TimeAdded: &since}
	tolerate := func(key string, seconds ...int64) corev1.Toleration {
		toleration := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
		if len(seconds) > 0 {
			toleration.TolerationSeconds = &seconds[0]
		}
		return toleration
	}
	for _, c := range []struct {
		name        string
		taints      []corev1.Taint
		tolerations []corev1.Toleration
		evict       bool
		after       time.Duration
		reason      string
	}{
		{"without a toleration the pod goes at once",
			[]corev1.Taint{unreachable}, nil, true, 0,
			"node node-1 has taint node.kubernetes.io/unreachable:NoExecute, which the pod does not tolerate"},
		{"the 300 s that admission adds are counted from when the taint was added",
			[]corev1.Taint{unreachable}, []corev1.Toleration{tolerate(corev1.TaintNodeUnreachable, 300)}, false, 200 * time.Second,
			"node node-1 has taint node.kubernetes.io/unreachable:NoExecute since 1m40s, which the pod tolerates for 300 s"},
		{"and then it goes",
			[]corev1.Taint{unreachable}, []corev1.Toleration{tolerate(corev1.TaintNodeUnreachable, 100)}, true, 0,
			"node node-1 has taint node.kubernetes.io/unreachable:NoExecute since 1m40s, which the pod tolerates for 100 s"},
		{"the pod of a DaemonSet tolerates without a limit and stays",
			[]corev1.Taint{unreachable}, []corev1.Toleration{tolerate(corev1.TaintNodeUnreachable)}, false, 0,
			"all NoExecute taints of node node-1 are tolerated"},
		{"the shortest toleration wins",
			[]corev1.Taint{unreachable},
			[]corev1.Toleration{tolerate("", 500), tolerate(corev1.TaintNodeUnreachable, 150)}, false, 50 * time.Second,
			"node node-1 has taint node.kubernetes.io/unreachable:NoExecute since 1m40s, which the pod tolerates for 150 s"},
		{"every taint has to be tolerated",
			[]corev1.Taint{unreachable, other}, []corev1.Toleration{tolerate(corev1.TaintNodeUnreachable)}, true, 0,
			"node node-1 has taint other:NoExecute, which the pod does not tolerate"},
		{"NoSchedule drives nobody off",
			[]corev1.Taint{noSchedule}, nil, false, 0, "all NoExecute taints of node node-1 are tolerated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "node-1", Tolerations: c.tolerations}}
			require.Equal(t, eviction{Evict: c.evict, After: c.after, Reason: c.reason}, planEviction(c.taints, pod, controllertest.Noon))
		})
	}
}
