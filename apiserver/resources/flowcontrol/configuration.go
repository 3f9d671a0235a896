package flowcontrol

import (
	"fmt"
	"strings"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/auth"
)

// What every cluster has, as upstream makes it: two levels and two schemas that are fixed, and others that are suggested, and may be
// changed by who says so in their annotation.

// Schemas are the FlowSchemas of every cluster, in the order in which they are asked.
func Schemas() []*flowcontrolv1.FlowSchema {
	all := []flowcontrolv1.ResourcePolicyRule{resource(every, every, every, true)}
	urls := []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{every}, NonResourceURLs: []string{every}}}
	const byUser, byNamespace = flowcontrolv1.FlowDistinguisherMethodByUserType, flowcontrolv1.FlowDistinguisherMethodByNamespaceType
	everybody := groups(auth.Unauthenticated, auth.Authenticated)
	accounts := []flowcontrolv1.Subject{{
		Kind:           flowcontrolv1.SubjectKindServiceAccount,
		ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: metav1.NamespaceSystem, Name: every},
	}}
	leases := func(verbs string) flowcontrolv1.ResourcePolicyRule {
		return resource(verbs, "coordination.k8s.io", "leases", false)
	}
	controllers, scheduler := user("system:kube-controller-manager"), user("system:kube-scheduler")
	return []*flowcontrolv1.FlowSchema{
		schema("exempt", "exempt", 1, "", groups(auth.Masters), all, urls),
		schema("probes", "exempt", 2, "", everybody, nil,
			[]flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz", "/readyz", "/livez"}}}),
		schema("system-leader-election", "leader-election", 100, byUser, append([]flowcontrolv1.Subject{controllers, scheduler}, accounts...),
			[]flowcontrolv1.ResourcePolicyRule{leases("get create update")}, nil),
		schema("system-node-high", "node-high", 400, byUser, groups(auth.Nodes),
			[]flowcontrolv1.ResourcePolicyRule{resource(every, "", "nodes nodes/status", true), leases(every)}, nil),
		schema("system-nodes", "system", 500, byUser, groups(auth.Nodes), all, urls),
		schema("kube-controller-manager", "workload-high", 800, byNamespace, []flowcontrolv1.Subject{controllers}, all, urls),
		schema("kube-scheduler", "workload-high", 800, byNamespace, []flowcontrolv1.Subject{scheduler}, all, urls),
		schema("kube-system-service-accounts", "workload-high", 900, byNamespace, accounts, all, urls),
		schema("service-accounts", "workload-low", 9000, byUser, groups("system:serviceaccounts"), all, urls),
		schema("global-default", "global-default", 9900, byUser, everybody, all, urls),
		schema("catch-all", "catch-all", 10000, byUser, everybody, all, urls),
	}
}

// Levels are the PriorityLevelConfigurations of every cluster.
func Levels() []*flowcontrolv1.PriorityLevelConfiguration {
	return []*flowcontrolv1.PriorityLevelConfiguration{
		level("exempt", flowcontrolv1.PriorityLevelConfigurationSpec{
			Type:   flowcontrolv1.PriorityLevelEnablementExempt,
			Exempt: &flowcontrolv1.ExemptPriorityLevelConfiguration{NominalConcurrencyShares: ptr.To[int32](0), LendablePercent: ptr.To[int32](0)},
		}),
		limited("catch-all", 5, 0, nil),
		limited("system", 30, 33, queues(64, 6)),
		limited("node-high", 40, 25, queues(64, 6)),
		limited("leader-election", 10, 0, queues(16, 4)),
		limited("workload-high", 40, 50, queues(128, 6)),
		limited("workload-low", 100, 90, queues(128, 6)),
		limited("global-default", 20, 50, queues(128, 6)),
	}
}

// Fixed tells the names that mean the same in every cluster, in both kinds.
func Fixed(name string) bool {
	return name == flowcontrolv1.FlowSchemaNameExempt || name == flowcontrolv1.FlowSchemaNameCatchAll
}

// validateFixedSchema keeps the schemas that are fixed as they are.
func validateFixedSchema(path *field.Path, s *flowcontrolv1.FlowSchema) field.ErrorList {
	if !Fixed(s.Name) {
		return nil
	}
	for _, fixed := range Schemas() {
		if fixed.Name == s.Name && !equality.Semantic.DeepEqual(s.Spec, fixed.Spec) {
			return field.ErrorList{field.Invalid(path, s.Spec, fmt.Sprintf("spec of '%s' must equal the fixed value", s.Name))}
		}
	}
	return nil
}

// validateFixedLevel does so with levels. How much the level may lend that is exempt is for administrators to say.
func validateFixedLevel(path *field.Path, l *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
	if !Fixed(l.Name) {
		return nil
	}
	for _, fixed := range Levels() {
		if fixed.Name != l.Name {
			continue
		}
		but := ""
		if l.Name == flowcontrolv1.PriorityLevelConfigurationNameExempt {
			fixed.Spec.Exempt, but = l.Spec.Exempt, "except the 'spec.exempt' field "
		}
		if !equality.Semantic.DeepEqual(l.Spec, fixed.Spec) {
			return field.ErrorList{field.Invalid(path, l.Spec, fmt.Sprintf("spec of '%s' %smust equal the fixed value", l.Name, but))}
		}
	}
	return nil
}

// follows marks an object whose spec follows what is suggested.
func follows(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Annotations: map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: "true"}}
}

func schema(name, level string, precedence int32, distinguisher flowcontrolv1.FlowDistinguisherMethodType, subjects []flowcontrolv1.Subject,
	resources []flowcontrolv1.ResourcePolicyRule, urls []flowcontrolv1.NonResourcePolicyRule) *flowcontrolv1.FlowSchema {
	s := &flowcontrolv1.FlowSchema{ObjectMeta: follows(name), Spec: flowcontrolv1.FlowSchemaSpec{
		PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: level},
		MatchingPrecedence:         precedence,
		Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
			Subjects: subjects, ResourceRules: resources, NonResourceRules: urls,
		}},
	}}
	if distinguisher != "" {
		s.Spec.DistinguisherMethod = &flowcontrolv1.FlowDistinguisherMethod{Type: distinguisher}
	}
	return s
}

func level(name string, spec flowcontrolv1.PriorityLevelConfigurationSpec) *flowcontrolv1.PriorityLevelConfiguration {
	return &flowcontrolv1.PriorityLevelConfiguration{ObjectMeta: follows(name), Spec: spec}
}

// limited is a level with a share of the server, of which it lends some percent. Without queues what is too much is refused.
func limited(name string, shares, lendable int32, queuing *flowcontrolv1.QueuingConfiguration) *flowcontrolv1.PriorityLevelConfiguration {
	response := flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject}
	if queuing != nil {
		response = flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeQueue, Queuing: queuing}
	}
	return level(name, flowcontrolv1.PriorityLevelConfigurationSpec{
		Type: flowcontrolv1.PriorityLevelEnablementLimited,
		Limited: &flowcontrolv1.LimitedPriorityLevelConfiguration{
			NominalConcurrencyShares: &shares, LendablePercent: &lendable, LimitResponse: response,
		},
	})
}

func queues(n, hand int32) *flowcontrolv1.QueuingConfiguration {
	return &flowcontrolv1.QueuingConfiguration{Queues: n, HandSize: hand, QueueLengthLimit: defaultQueueLength}
}

func groups(names ...string) []flowcontrolv1.Subject {
	var out []flowcontrolv1.Subject
	for _, name := range names {
		out = append(out, flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindGroup, Group: &flowcontrolv1.GroupSubject{Name: name}})
	}
	return out
}

func user(name string) flowcontrolv1.Subject {
	return flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindUser, User: &flowcontrolv1.UserSubject{Name: name}}
}

// resource is a rule of requests in every namespace; verbs and resources are words.
func resource(verbs, group, resources string, cluster bool) flowcontrolv1.ResourcePolicyRule {
	return flowcontrolv1.ResourcePolicyRule{
		Verbs: strings.Fields(verbs), APIGroups: []string{group}, Resources: strings.Fields(resources),
		Namespaces: []string{every}, ClusterScope: cluster,
	}
}
