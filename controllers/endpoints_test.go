package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// The rules are those of https://kubernetes.io/docs/concepts/services-networking/service/ and of the fields' own
// documentation in k8s.io/api.
func TestPlanEndpoints(t *testing.T) {
	scenarios(t, "endpoints", func(t *testing.T, given []runtime.Object) string {
		plan := planEndpoints(first[*corev1.Service](given), each[*corev1.Pod](given), first[*corev1.Endpoints](given))
		var out strings.Builder
		fmt.Fprintln(&out, "because", plan.Reason)
		switch {
		case plan.Delete:
			fmt.Fprintln(&out, "delete")
		case plan.Create != nil:
			fmt.Fprintln(&out, "create")
			writeEndpoints(&out, plan.Create)
		case plan.Update != nil:
			fmt.Fprintln(&out, "update")
			writeEndpoints(&out, plan.Update)
		}
		return out.String()
	})
}

func writeEndpoints(out *strings.Builder, endpoints *corev1.Endpoints) {
	writeLabels(out, endpoints.Labels)
	for _, subset := range endpoints.Subsets {
		for _, p := range subset.Ports {
			fmt.Fprintf(out, "  port %s %d/%s\n", p.Name, p.Port, p.Protocol)
		}
		for _, a := range subset.Addresses {
			fmt.Fprintf(out, "    ready     %s pod %s on %s %s\n", a.IP, a.TargetRef.Name, *a.NodeName, a.Hostname)
		}
		for _, a := range subset.NotReadyAddresses {
			fmt.Fprintf(out, "    not ready %s pod %s on %s %s\n", a.IP, a.TargetRef.Name, *a.NodeName, a.Hostname)
		}
	}
}

func writeLabels(out *strings.Builder, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(out, "  label %s=%s\n", key, labels[key])
	}
}

// An Endpoints object holds at most 1,000 addresses, ready ones first, and says that it was cut.
func TestEndpointsOverCapacity(t *testing.T) {
	service := webService()
	pods := webPods(1200)
	for _, pod := range pods[:300] {
		pod.Status.Conditions[0].Status = corev1.ConditionFalse
	}
	plan := planEndpoints(service, pods, nil)
	require.NotNil(t, plan.Create)
	ready, notReady := countAddresses(plan.Create.Subsets)
	require.Equal(t, []int{900, 100}, []int{ready, notReady})
	require.Equal(t, "truncated", plan.Create.Annotations[corev1.EndpointsOverCapacity])

	plan = planEndpoints(service, pods[:900], plan.Create)
	require.NotNil(t, plan.Update)
	require.NotContains(t, plan.Update.Annotations, corev1.EndpointsOverCapacity)
	require.Nil(t, planEndpoints(service, pods[:900], plan.Update).Update, "nothing is left to do")
}

func webService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "uid-svc"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"}, ClusterIP: "10.96.0.10",
			Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}},
		},
	}
}

func webPods(n int) []*corev1.Pod {
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pods[i] = webPod(i)
	}
	return pods
}

func webPod(i int) *corev1.Pod {
	ip := fmt.Sprintf("10.244.%d.%d", i/250, i%250+1)
	name := fmt.Sprintf("web-%04d", i)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: types.UID("uid-" + name),
			Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}
