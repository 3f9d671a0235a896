package networking

import (
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func ingressClasses() *resources.Resource {
	return &resources.Resource{
		Kind:          networkingv1.SchemeGroupVersion.WithKind("IngressClass"),
		Plural:        "ingressclasses",
		ClusterScoped: true,
		New:           func() resources.Object { return &networkingv1.IngressClass{} },
		NewList:       func() runtime.Object { return &networkingv1.IngressClassList{} },
		Generation:    true,
		Default: resources.Each(func(c *networkingv1.IngressClass) {
			if p := c.Spec.Parameters; p != nil && p.Scope == nil {
				p.Scope = ptr.To(networkingv1.IngressClassParametersReferenceScopeCluster)
			}
		}),
		Validate: resources.Check(validateIngressClass),
		Idle:     "no controller serves ingresses of the class, and it is no ingress's default",
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Controller", "string", 0, "Controller that is responsible for handling this class"),
			printers.Column("Parameters", "string", 0, "A reference to a resource with additional parameters"),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(ingressClassCells),
	}
}

// maxController is how long the name of a controller may be, in bytes.
const maxController = 250

func validateIngressClass(c, old *networkingv1.IngressClass) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "controller")
	if old != nil {
		errs = append(errs, validation.Immutable(path, c.Spec.Controller, old.Spec.Controller)...)
	}
	if len(c.Spec.Controller) > maxController {
		errs = append(errs, field.TooLong(path, "", maxController))
	}
	errs = append(errs, utilvalidation.IsDomainPrefixedPath(path, c.Spec.Controller)...)
	if c.Spec.Parameters != nil {
		errs = append(errs, validateParameters(field.NewPath("spec", "parameters"), c.Spec.Parameters)...)
	}
	return errs
}

// validateParameters takes an object of the cluster, or of a namespace, which is named then and only then.
func validateParameters(path *field.Path, p *networkingv1.IngressClassParametersReference) field.ErrorList {
	const (
		cluster   = networkingv1.IngressClassParametersReferenceScopeCluster
		namespace = networkingv1.IngressClassParametersReferenceScopeNamespace
	)
	errs := reference(path, p.APIGroup, p.Kind, p.Name)
	if p.Scope == nil {
		return append(errs, field.Required(path.Child("scope"), ""))
	}
	at := path.Child("namespace")
	switch *p.Scope {
	case namespace:
		if p.Namespace == nil {
			errs = append(errs, field.Required(at, "`parameters.scope` is set to 'Namespace'"))
		} else {
			errs = append(errs, validation.DNSLabel(at, *p.Namespace)...)
		}
	case cluster:
		if p.Namespace != nil {
			errs = append(errs, field.Forbidden(at, "`parameters.scope` is set to 'Cluster'"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("scope"), *p.Scope, []string{cluster, namespace}))
	}
	return errs
}

func ingressClassCells(c *networkingv1.IngressClass, now time.Time) []any {
	name, parameters := c.Name, printers.None
	if c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
		name += " (default)"
	}
	if p := c.Spec.Parameters; p != nil {
		parameters = p.Kind
		if p.APIGroup != nil {
			parameters += "." + *p.APIGroup
		}
		parameters += "/" + p.Name
	}
	return []any{name, c.Spec.Controller, parameters, printers.Age(c.CreationTimestamp, now)}
}
