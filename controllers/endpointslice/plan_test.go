package endpointslice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"minik.dev/controllers/backends"
	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/podstate"
)

// The rules are those of https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/.
func TestPlanEndpointSlices(t *testing.T) {
	controllertest.YAMLScenarios(t, func(t *testing.T, given []runtime.Object) string {
		zones := map[string]string{}
		for _, node := range controllertest.Each[*corev1.Node](given) {
			zones[node.Name] = node.Labels[corev1.LabelTopologyZone]
		}
		plan := planEndpointSlices(controllertest.First[*corev1.Service](given), controllertest.Each[*corev1.Pod](given), zones,
			controllertest.Each[*discoveryv1.EndpointSlice](given))
		var out strings.Builder
		fmt.Fprintln(&out, "because", plan.Reason)
		for _, s := range plan.Create {
			fmt.Fprintln(&out, "create", s.GenerateName)
			writeSlice(&out, s)
		}
		for _, s := range plan.Update {
			fmt.Fprintln(&out, "update", s.Name)
			writeSlice(&out, s)
		}
		for _, s := range plan.Delete {
			fmt.Fprintln(&out, "delete", s.Name)
		}
		return out.String()
	})
}

func writeSlice(out *strings.Builder, slice *discoveryv1.EndpointSlice) {
	owner := metav1.GetControllerOf(slice)
	fmt.Fprintf(out, "  owner %s %s\n", owner.Kind, owner.Name)
	controllertest.WriteLabels(out, slice.Labels)
	for _, p := range slice.Ports {
		fmt.Fprintf(out, "  port %s %d/%s\n", *p.Name, *p.Port, *p.Protocol)
	}
	for _, e := range slice.Endpoints {
		fmt.Fprintf(out, "    %s %s pod %s on %s ready=%t serving=%t terminating=%t", slice.AddressType, e.Addresses[0],
			e.TargetRef.Name, *e.NodeName, *e.Conditions.Ready, *e.Conditions.Serving, *e.Conditions.Terminating)
		if e.Zone != nil {
			fmt.Fprintf(out, " zone=%s", *e.Zone)
		}
		if e.Hostname != nil {
			fmt.Fprintf(out, " hostname=%s", *e.Hostname)
		}
		fmt.Fprintln(out)
	}
}

// However the pods come and go, the slices hold together exactly what is wanted, each endpoint once, at most 100 in each;
// planning again changes nothing; and never is more written than slices could be touched by the change.
func TestEndpointSlicesHoldEveryEndpointOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		service := controllertest.Service()
		var current []*discoveryv1.EndpointSlice
		made := 0
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			from := rapid.IntRange(0, 300).Draw(t, "from")
			pods := controllertest.Pods(from + rapid.IntRange(0, 350).Draw(t, "count"))[from:]
			for _, pod := range pods {
				if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
					pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "x"}}}}
					pod.Status.Conditions[0].Status = corev1.ConditionFalse
				}
			}
			plan := planEndpointSlices(service, pods, nil, current)
			current = applySlices(current, plan, &made)
			checkSlices(t, service, pods, current)
			again := planEndpointSlices(service, pods, nil, current)
			if !again.Empty() {
				t.Fatalf("planned again: %s", again.Reason)
			}
		}
	})
}

func applySlices(current []*discoveryv1.EndpointSlice, plan backends.SlicePlan, made *int) []*discoveryv1.EndpointSlice {
	byName := map[string]*discoveryv1.EndpointSlice{}
	for _, s := range current {
		byName[s.Name] = s
	}
	for _, s := range plan.Create {
		*made++
		s.Name = fmt.Sprintf("%s%05d", s.GenerateName, *made)
		byName[s.Name] = s
	}
	for _, s := range plan.Update {
		byName[s.Name] = s
	}
	for _, s := range plan.Delete {
		delete(byName, s.Name)
	}
	out := make([]*discoveryv1.EndpointSlice, 0, len(byName))
	for _, s := range byName {
		out = append(out, s)
	}
	return out
}

func checkSlices(t *rapid.T, service *corev1.Service, pods []*corev1.Pod, current []*discoveryv1.EndpointSlice) {
	var got, want []string
	for _, s := range current {
		if len(s.Endpoints) > backends.MaxPerSlice {
			t.Fatalf("%s has %d endpoints", s.Name, len(s.Endpoints))
		}
		for _, e := range s.Endpoints {
			got = append(got, fmt.Sprint(e.TargetRef.Name, e.Addresses, *e.Conditions.Ready))
		}
	}
	for _, pod := range backends.Selected(service, pods) {
		want = append(want, fmt.Sprint(pod.Name, []string{pod.Status.PodIP}, podstate.Ready(pod)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("slices hold %d endpoints, wanted %d", len(got), len(want))
	}
	if len(current) == 0 {
		t.Fatal("not even an empty slice")
	}
}

// Of 250 endpoints one goes: one slice is written, and no endpoint moves.
func TestEndpointSlicesAreUpdatedInPlace(t *testing.T) {
	made := 0
	pods := controllertest.Pods(250)
	current := applySlices(nil, planEndpointSlices(controllertest.Service(), pods, nil, nil), &made)
	require.Len(t, current, 3)
	plan := planEndpointSlices(controllertest.Service(), pods[1:], nil, current)
	require.Equal(t, []int{0, 1, 0}, []int{len(plan.Create), len(plan.Update), len(plan.Delete)}, plan.Reason)
}
