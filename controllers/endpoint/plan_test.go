package endpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/controllers/controllertest"
)

// The rules are those of https://kubernetes.io/docs/concepts/services-networking/service/ and of the fields' own
// documentation in k8s.io/api.
func TestPlanEndpoints(t *testing.T) {
	controllertest.YAMLScenarios(t, func(t *testing.T, given []runtime.Object) string {
		plan := planEndpoints(controllertest.First[*corev1.Service](given), controllertest.Each[*corev1.Pod](given), controllertest.First[*corev1.Endpoints](given))
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
	controllertest.WriteLabels(out, endpoints.Labels)
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

// An Endpoints object holds at most 1,000 addresses, ready ones first, and says that it was cut.
func TestEndpointsOverCapacity(t *testing.T) {
	service := controllertest.Service()
	pods := controllertest.Pods(1200)
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
