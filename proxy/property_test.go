package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

func someBackends(t *rapid.T) []Backend {
	out := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Backend {
		return Backend{IP: fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 12).Draw(t, "ip")), Port: 80}
	}), 0, 8, rapid.ID[Backend]).Draw(t, "backends")
	slices.SortFunc(out, compareBackend)
	return out
}

// However the list of backends shrinks and grows, a pick is one of the list, and as many picks as there are backends
// meet each of them once.
func TestBalancerTakesTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b balancer
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			backends := someBackends(t)
			b.set(slices.Clone(backends), 0)
			for range rapid.IntRange(0, 5).Draw(t, "picks before") {
				_, ok := b.pick(netip.Addr{}, now, nil)
				require.Equal(t, len(backends) > 0, ok)
			}
			var round []Backend
			for range backends {
				backend, ok := b.pick(netip.Addr{}, now, nil)
				require.True(t, ok)
				round = append(round, backend)
			}
			require.ElementsMatch(t, backends, round)
		}
	})
}

// A client that comes back before the timeout keeps its backend for as long as that exists; and what was tried is never
// given again in the same attempt.
func TestBalancerAffinity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b balancer
		now := time.Unix(0, 0)
		const timeout = time.Minute
		type memory struct {
			backend Backend
			at      time.Time
		}
		had := map[netip.Addr]memory{}
		var backends []Backend
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				backends = someBackends(t)
				b.set(slices.Clone(backends), timeout)
			case 1:
				now = now.Add(time.Duration(rapid.IntRange(1, 70).Draw(t, "seconds")) * time.Second)
				b.sweep(now)
			default:
				client := netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, 3).Draw(t, "client"))})
				var tried []Backend
				if len(backends) > 0 && rapid.Bool().Draw(t, "one fails") {
					tried = backends[:1]
				}
				got, ok := b.pick(client, now, tried)
				require.Equal(t, len(backends) > len(tried), ok)
				if !ok {
					continue
				}
				require.NotContains(t, tried, got)
				before, known := had[client]
				if known && now.Sub(before.at) < timeout && slices.Contains(backends, before.backend) &&
					!slices.Contains(tried, before.backend) {
					require.Equal(t, before.backend, got)
				}
				had[client] = memory{got, now}
			}
		}
	})
}

// Doing what plan says makes the open listeners those of the table, and a second plan is empty. A listener whose rule is
// the same appears in no step.
func TestPlanConverges(t *testing.T) {
	now := time.Unix(100, 0)
	table := rapid.Custom(func(t *rapid.T) Table {
		var out Table
		for port := int32(80); port < 85; port++ {
			if rapid.Bool().Draw(t, "listens") {
				out.Rules = append(out.Rules, Rule{
					Listen: Listen{"10.96.0.1", port, corev1.ProtocolTCP}, Backends: someBackends(t), Why: "w"})
			}
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		open, failed := map[Listen]Rule{}, map[Listen]failure{}
		for range 5 {
			want := table.Draw(t, "table")
			s := plan(open, failed, want, now)
			for _, listen := range s.Close {
				require.Contains(t, open, listen)
				delete(open, listen)
			}
			for _, listen := range s.Forget {
				delete(failed, listen)
			}
			for _, rule := range s.Change {
				require.False(t, open[rule.Listen].Equal(rule), "an unchanged rule is left alone")
				open[rule.Listen] = rule
			}
			for _, rule := range s.Open {
				require.NotContains(t, open, rule.Listen)
				if rapid.Bool().Draw(t, "fails") {
					failed[rule.Listen] = failed[rule.Listen].next(now)
					continue
				}
				delete(failed, rule.Listen)
				open[rule.Listen] = rule
			}
			require.Equal(t, steps{}, plan(open, failed, want, now), "nothing is left to do before the retry is due")
			for _, rule := range want.Rules {
				_, isOpen := open[rule.Listen]
				_, hasFailed := failed[rule.Listen]
				require.Equal(t, len(rule.Backends) > 0, isOpen || hasFailed)
			}
		}
	})
}

func TestFailureBacksOff(t *testing.T) {
	now := time.Unix(0, 0)
	var f failure
	var pauses []time.Duration
	for range 10 {
		f = f.next(now)
		pauses = append(pauses, f.retry.Sub(now))
	}
	require.Equal(t, 100*time.Millisecond, pauses[0])
	require.Equal(t, 200*time.Millisecond, pauses[1])
	require.Equal(t, 30*time.Second, pauses[9])
	first, ok := firstRetry(map[Listen]failure{{Port: 1}: f, {Port: 2}: {retry: now.Add(time.Second)}})
	require.True(t, ok)
	require.Equal(t, now.Add(time.Second), first)
}

// The table does not depend on the order of its arguments, names no address twice, and sends to ready endpoints of the
// Service alone, or to serving ones where none is ready.
func TestRulesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		services, endpointSlices, nodes := someCluster(t)
		limits := Limits{External: somePrefixes(t, "external", "203.0.113.1/32", "203.0.113.2/32"),
			Nodes: somePrefixes(t, "nodes", "10.1.0.0/24")}
		table := rules(limits, services, endpointSlices, nodes)
		seen := map[Listen]bool{}
		for _, rule := range table.Rules {
			require.False(t, seen[rule.Listen], "%s twice", rule.Listen)
			seen[rule.Listen] = true
			require.NotEmpty(t, rule.Why)
			require.True(t, in(slices.Concat(limits.External, limits.Nodes, []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}),
				rule.Listen.IP), "%s is not allowed", rule)
			require.True(t, slices.IsSortedFunc(rule.Backends, compareBackend))
			for _, b := range rule.Backends {
				require.True(t, usable(endpointSlices, rule.Service.Name, b), "%s of %s", b, rule)
			}
		}
		again := rules(limits, rapid.Permutation(services).Draw(t, "services"), rapid.Permutation(endpointSlices).Draw(t, "slices"),
			rapid.Permutation(nodes).Draw(t, "nodes"))
		require.Equal(t, table, again)
	})
}

// somePrefixes are some of them, or none.
func somePrefixes(t *rapid.T, name string, all ...string) (out []netip.Prefix) {
	for _, p := range all {
		if rapid.Bool().Draw(t, name) {
			out = append(out, netip.MustParsePrefix(p))
		}
	}
	return out
}

func usable(all []*discoveryv1.EndpointSlice, service string, b Backend) bool {
	for _, s := range all {
		for _, e := range s.Endpoints {
			c := e.Conditions
			if s.Labels[discoveryv1.LabelServiceName] == service && e.Addresses[0] == b.IP && *e.NodeName == b.Node &&
				(*c.Ready || *c.Serving && *c.Terminating) {
				return true
			}
		}
	}
	return false
}

func someCluster(t *rapid.T) ([]*corev1.Service, []*discoveryv1.EndpointSlice, []*corev1.Node) {
	var nodes []*corev1.Node
	for i := range rapid.IntRange(0, 3).Draw(t, "nodes") {
		nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i)},
			Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: "InternalIP", Address: fmt.Sprint("10.1.0.", i)}}}})
	}
	var services []*corev1.Service
	var endpointSlices []*discoveryv1.EndpointSlice
	for i := range rapid.IntRange(1, 4).Draw(t, "services") {
		name := fmt.Sprint("s", i)
		services = append(services, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			Spec: corev1.ServiceSpec{
				ClusterIP:             fmt.Sprint("10.96.0.", i+1),
				ExternalIPs:           []string{fmt.Sprint("203.0.113.", rapid.IntRange(1, 2).Draw(t, "external"))},
				ExternalTrafficPolicy: rapid.SampledFrom([]corev1.ServiceExternalTrafficPolicy{"Cluster", "Local"}).Draw(t, "p"),
				Ports:                 []corev1.ServicePort{{Port: 80, NodePort: int32(30000 + i)}},
			},
		})
		for range rapid.IntRange(0, 2).Draw(t, "slices") {
			slice := &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4,
				Ports:      []discoveryv1.EndpointPort{{Port: ptr.To[int32](8080)}},
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Labels: map[string]string{discoveryv1.LabelServiceName: name}}}
			for range rapid.IntRange(0, 4).Draw(t, "endpoints") {
				flag := func(name string) *bool { return ptr.To(rapid.Bool().Draw(t, name)) }
				slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
					Addresses:  []string{fmt.Sprint("10.2.0.", rapid.IntRange(1, 5).Draw(t, "ip"))},
					NodeName:   ptr.To(fmt.Sprint("node-", rapid.IntRange(0, 3).Draw(t, "node"))),
					Conditions: discoveryv1.EndpointConditions{Ready: flag("ready"), Serving: flag("serving"), Terminating: flag("term")},
				})
			}
			endpointSlices = append(endpointSlices, slice)
		}
	}
	return services, endpointSlices, nodes
}
