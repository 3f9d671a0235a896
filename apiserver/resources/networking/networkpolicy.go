package networking

import (
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// networkPolicies is the row of network policies; their checks stand in networkpolicy_validate.go.
func networkPolicies() *resources.Resource {
	return &resources.Resource{
		Kind:       networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
		Plural:     "networkpolicies",
		NameOnce:   true,
		ShortNames: []string{"netpol"},
		New:        func() resources.Object { return &networkingv1.NetworkPolicy{} },
		NewList:    func() runtime.Object { return &networkingv1.NetworkPolicyList{} },
		Generation: true,
		Default:    resources.Each(defaultNetworkPolicy),
		Prepare: resources.Pair(func(p, old *networkingv1.NetworkPolicy) {
			if old != nil && !reflect.DeepEqual(p.Spec, old.Spec) { // of this kind alone an empty list is another one than none
				p.Generation = old.Generation + 1
			}
		}),
		Validate: resources.Check(validateNetworkPolicy),
		Warn:     resources.Warn(func(p, _ *networkingv1.NetworkPolicy) []string { return warnCIDRs(&p.Spec) }),
		Idle:     "the network does not enforce it, and every pod is reached as if it were not there",
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Pod-Selector", "string", 0, networkingv1.NetworkPolicySpec{}.SwaggerDoc()["podSelector"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(p *networkingv1.NetworkPolicy, now time.Time) []any {
			return []any{p.Name, metav1.FormatLabelSelector(&p.Spec.PodSelector), printers.Age(p.CreationTimestamp, now)}
		}),
	}
}

// defaultNetworkPolicy fills in the types: a policy that names none is about what comes in, and one with rules for what
// goes out is about that as well.
func defaultNetworkPolicy(p *networkingv1.NetworkPolicy) {
	spec := &p.Spec
	if len(spec.PolicyTypes) == 0 {
		spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(spec.Egress) > 0 {
			spec.PolicyTypes = append(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	for _, rule := range policyRules(spec) {
		for i := range rule.ports {
			if port := &rule.ports[i]; port.Protocol == nil {
				port.Protocol = ptr.To(corev1.ProtocolTCP)
			}
		}
	}
}

// policyRule is a rule of either direction; its slices are those of the policy.
type policyRule struct {
	path, peersPath *field.Path
	ports           []networkingv1.NetworkPolicyPort
	peers           []networkingv1.NetworkPolicyPeer
}

func policyRules(spec *networkingv1.NetworkPolicySpec) []policyRule {
	var rules []policyRule
	path := field.NewPath("spec")
	for i, rule := range spec.Ingress {
		at := path.Child("ingress").Index(i)
		rules = append(rules, policyRule{path: at, peersPath: at.Child("from"), ports: rule.Ports, peers: rule.From})
	}
	for i, rule := range spec.Egress {
		at := path.Child("egress").Index(i)
		rules = append(rules, policyRule{path: at, peersPath: at.Child("to"), ports: rule.Ports, peers: rule.To})
	}
	return rules
}

// policyCIDR is one address range of a policy.
type policyCIDR struct {
	path  *field.Path
	value string
}

func policyCIDRs(spec *networkingv1.NetworkPolicySpec) []policyCIDR {
	var found []policyCIDR
	for _, rule := range policyRules(spec) {
		for i, peer := range rule.peers {
			if peer.IPBlock == nil {
				continue
			}
			path := rule.peersPath.Index(i).Child("ipBlock")
			found = append(found, policyCIDR{path.Child("cidr"), peer.IPBlock.CIDR})
			for j, except := range peer.IPBlock.Except {
				found = append(found, policyCIDR{path.Child("except").Index(j), except})
			}
		}
	}
	return found
}

// warnCIDRs says where an address range is written in another way than the usual one.
func warnCIDRs(spec *networkingv1.NetworkPolicySpec) []string {
	var warnings []string
	for _, cidr := range policyCIDRs(spec) {
		if _, _, err := netutils.ParseCIDRSloppy(cidr.value); err == nil {
			warnings = append(warnings, utilvalidation.GetWarningsForCIDR(cidr.path, cidr.value)...)
		}
	}
	return warnings
}
