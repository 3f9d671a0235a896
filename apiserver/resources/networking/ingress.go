package networking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// ingresses is the row of ingresses; their checks stand in ingress_validate.go.
func ingresses() *resources.Resource {
	return &resources.Resource{
		Kind:       networkingv1.SchemeGroupVersion.WithKind("Ingress"),
		Plural:     "ingresses",
		ShortNames: []string{"ing"},
		New:        func() resources.Object { return &networkingv1.Ingress{} },
		NewList:    func() runtime.Object { return &networkingv1.IngressList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			resources.Status(func(i, body *networkingv1.Ingress) { i.Status = body.Status }, validateIngressStatus),
		},
		Validate: resources.Check(validateIngress),
		Warn:     resources.Warn(warnIngress),
		Idle:     "no controller answers requests for it, and it gets no address",
		Columns:  ingressColumns(),
		Cells:    resources.Cells(ingressCells),
	}
}

// ingressClassAnnotation named the class before spec.ingressClassName did.
const ingressClassAnnotation = "kubernetes.io/ingress.class"

func warnIngress(i, old *networkingv1.Ingress) []string {
	_, annotated := i.Annotations[ingressClassAnnotation]
	if old != nil || !annotated || i.Spec.IngressClassName != nil {
		return nil
	}
	return []string{
		fmt.Sprintf("annotation %q is deprecated, please use 'spec.ingressClassName' instead", ingressClassAnnotation),
	}
}

func ingressColumns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Class", "string", 0, "The name of the IngressClass resource that should be used for additional configuration"),
		printers.Column("Hosts", "string", 0, "Hosts that incoming requests are matched against before the ingress rule"),
		printers.Column("Address", "string", 0, "Address is a list containing ingress points for the load-balancer"),
		printers.Column("Ports", "string", 0, "Ports of TLS configurations that open"),
		printers.AgeColumn(),
	}
}

// ingressCells shows the addresses whole, where upstream cuts them at 16 characters unless -o wide asked for more.
func ingressCells(i *networkingv1.Ingress, now time.Time) []any {
	var addresses []string
	for _, point := range i.Status.LoadBalancer.Ingress {
		if point.IP != "" {
			addresses = append(addresses, point.IP)
		} else if point.Hostname != "" {
			addresses = append(addresses, point.Hostname)
		}
	}
	slices.Sort(addresses)
	ports := "80"
	if len(i.Spec.TLS) > 0 {
		ports = "80, 443"
	}
	return []any{
		i.Name, ptr.Deref(i.Spec.IngressClassName, printers.None), ingressHosts(i.Spec.Rules),
		strings.Join(slices.Compact(addresses), ","), ports, printers.Age(i.CreationTimestamp, now),
	}
}

// ingressHosts shows the first three hosts. Rules beyond them are counted, those without a host included.
func ingressHosts(rules []networkingv1.IngressRule) string {
	const shown = 3
	var hosts []string
	for _, rule := range rules {
		if len(hosts) == shown {
			return fmt.Sprintf("%s + %d more...", strings.Join(hosts, ","), len(rules)-shown)
		}
		if rule.Host != "" {
			hosts = append(hosts, rule.Host)
		}
	}
	if len(hosts) == 0 {
		return "*"
	}
	return strings.Join(hosts, ",")
}
