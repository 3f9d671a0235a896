package service

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"minik.dev/controllers/controllertest"
)

func TestPlanLoadBalancer(t *testing.T) {
	pool := netip.MustParsePrefix("172.18.255.0/29")
	controllertest.YAMLScenarios(t, func(t *testing.T, given []runtime.Object) string {
		services := controllertest.Each[*corev1.Service](given)
		plan := planLoadBalancer(services[0], services, pool)
		out := "because " + plan.Reason + "\n"
		switch {
		case plan.Failure != "":
			out += "fail\n"
		case plan.Ensure.IsValid():
			out += "give " + plan.Ensure.String() + "\n"
		case plan.Release:
			out += "release\n"
		}
		return out
	})
}

// However Services come, go and change their minds, no two hold one address once every one has been looked at, every
// address is of the pool, and none goes without while one is free.
func TestLoadBalancerAddressesAreUnique(t *testing.T) {
	pool := netip.MustParsePrefix("10.0.0.0/28") // 14 addresses
	rapid.Check(t, func(t *rapid.T) {
		var services []*corev1.Service
		for i := range rapid.IntRange(1, 20).Draw(t, "services") {
			s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i), Namespace: "shop"}}
			s.Spec.Type = rapid.SampledFrom([]corev1.ServiceType{corev1.ServiceTypeLoadBalancer,
				corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP}).Draw(t, "type")
			if had := rapid.IntRange(0, 20).Draw(t, "had"); had > 0 { // some of another pool, some twice
				s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: fmt.Sprintf("10.0.0.%d", had)}}
			}
			services = append(services, s)
		}
		for range 3 {
			for _, s := range services {
				plan := planLoadBalancer(s, services, pool)
				switch {
				case plan.Ensure.IsValid():
					s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: plan.Ensure.String()}}
				case plan.Release:
					s.Status.LoadBalancer.Ingress = nil
				}
			}
		}
		holders := map[netip.Addr]string{}
		want, failed := 0, 0
		for _, s := range services {
			if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
				continue
			}
			want++
			if planLoadBalancer(s, services, pool).Failure != "" {
				failed++
				continue
			}
			address := ingressAddress(s)
			if holders[address] != "" || !pool.Contains(address) {
				t.Fatalf("%s has %s, as %q", s.Name, address, holders[address])
			}
			holders[address] = s.Name
		}
		if want <= 14 && failed > 0 {
			t.Fatalf("%d of %d Services go without, 14 addresses", failed, want)
		}
	})
}
