package networking

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"minik.dev/apiserver/resources/validation"
)

// validateIngress checks an ingress (pkg/apis/networking/validation). Whether the class, the services and the secrets
// that it names are there is not asked: they may come later.
func validateIngress(ingress, old *networkingv1.Ingress) field.ErrorList {
	path, spec := field.NewPath("spec"), &ingress.Spec
	var errs field.ErrorList
	if len(spec.Rules) == 0 && spec.DefaultBackend == nil {
		errs = append(errs, field.Invalid(path, spec.Rules, "either `defaultBackend` or `rules` must be specified"))
	}
	if spec.DefaultBackend != nil {
		errs = append(errs, validateBackend(path.Child("defaultBackend"), spec.DefaultBackend)...)
	}
	for i := range spec.Rules {
		errs = append(errs, validateIngressRule(path.Child("rules").Index(i), &spec.Rules[i])...)
	}
	for i := range spec.TLS {
		errs = append(errs, validateIngressTLS(path.Child("tls").Index(i), &spec.TLS[i])...)
	}
	if spec.IngressClassName == nil {
		return errs
	}
	errs = append(errs, validation.DNSSubdomain(path.Child("ingressClassName"), *spec.IngressClassName)...)
	// An ingress that says two things already may be updated, so that it can be corrected step by step.
	annotated, ok := ingress.Annotations[ingressClassAnnotation]
	if old == nil && ok && annotated != *spec.IngressClassName {
		errs = append(errs, field.Invalid(field.NewPath("annotations").Child(ingressClassAnnotation), annotated,
			"must match `ingressClassName` when both are specified"))
	}
	return errs
}

func validateIngressRule(path *field.Path, rule *networkingv1.IngressRule) field.ErrorList {
	var errs field.ErrorList
	if rule.Host != "" {
		errs = append(errs, notAddress(path.Child("host"), rule.Host)...)
		errs = append(errs, ingressHost(path.Child("host"), rule.Host)...)
	}
	if rule.HTTP == nil {
		return errs
	}
	paths := path.Child("http", "paths")
	if len(rule.HTTP.Paths) == 0 {
		errs = append(errs, field.Required(paths, ""))
	}
	for i := range rule.HTTP.Paths {
		errs = append(errs, validateIngressPath(paths.Index(i), &rule.HTTP.Paths[i])...)
	}
	return errs
}

// ingressHost takes the name of a host, or "*." and a name, which is every host one label below that.
func ingressHost(path *field.Path, host string) field.ErrorList {
	if strings.Contains(host, "*") {
		return validation.Invalid(path, host, utilvalidation.IsWildcardDNS1123Subdomain(host))
	}
	return validation.DNSSubdomain(path, host)
}

func notAddress(path *field.Path, host string) field.ErrorList {
	if netutils.ParseIPSloppy(host) == nil {
		return nil
	}
	return field.ErrorList{field.Invalid(path, host, "must be a DNS name, not an IP address")}
}

func validateIngressPath(path *field.Path, p *networkingv1.HTTPIngressPath) field.ErrorList {
	if p.PathType == nil {
		return field.ErrorList{field.Required(path.Child("pathType"), "pathType must be specified")}
	}
	var errs field.ErrorList
	at := path.Child("path")
	switch *p.PathType {
	case networkingv1.PathTypeExact, networkingv1.PathTypePrefix:
		errs = append(errs, absolutePath(at, p.Path)...)
		errs = append(errs, plainPath(at, p.Path)...)
	case networkingv1.PathTypeImplementationSpecific:
		if p.Path != "" {
			errs = append(errs, absolutePath(at, p.Path)...)
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("pathType"), *p.PathType, []networkingv1.PathType{
			networkingv1.PathTypeExact, networkingv1.PathTypeImplementationSpecific, networkingv1.PathTypePrefix}))
	}
	return append(errs, validateBackend(path.Child("backend"), &p.Backend)...)
}

func absolutePath(path *field.Path, value string) field.ErrorList {
	if strings.HasPrefix(value, "/") {
		return nil
	}
	return field.ErrorList{field.Invalid(path, value, "must be an absolute path")}
}

// plainPath refuses what servers read in different ways, so that a path means the same to all of them.
func plainPath(path *field.Path, value string) field.ErrorList {
	var errs field.ErrorList
	for _, part := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(value, part) {
			errs = append(errs, field.Invalid(path, value, fmt.Sprintf("must not contain '%s'", part)))
		}
	}
	for _, end := range []string{"/..", "/."} {
		if strings.HasSuffix(value, end) {
			errs = append(errs, field.Invalid(path, value, fmt.Sprintf("cannot end with '%s'", end)))
		}
	}
	return errs
}

// validateBackend takes a port of a service, or an object of another kind: one of the two. Most mistakes are reported
// at the backend itself, as upstream reports them.
func validateBackend(path *field.Path, b *networkingv1.IngressBackend) field.ErrorList {
	switch {
	case b.Resource != nil && b.Service != nil:
		return field.ErrorList{field.Invalid(path, "", "cannot set both resource and service backends")}
	case b.Resource != nil:
		return reference(path.Child("resource"), b.Resource.APIGroup, b.Resource.Kind, b.Resource.Name)
	case b.Service == nil:
		return field.ErrorList{field.Invalid(path, "", "resource or service backend is required")}
	}
	var errs field.ErrorList
	service := path.Child("service")
	if name := b.Service.Name; name == "" {
		errs = append(errs, field.Required(service.Child("name"), ""))
	} else {
		errs = append(errs, validation.Invalid(service.Child("name"), name, apivalidation.NameIsDNSLabel(name, false))...)
	}
	switch port := b.Service.Port; {
	case port.Name != "" && port.Number != 0:
		errs = append(errs, field.Invalid(path, "", "cannot set both port name & port number"))
	case port.Name != "":
		wrong := utilvalidation.IsValidPortName(port.Name)
		errs = append(errs, validation.Invalid(service.Child("port", "name"), port.Name, wrong)...)
	case port.Number != 0:
		errs = append(errs, validation.PortNumber(service.Child("port", "number"), port.Number)...)
	default:
		errs = append(errs, field.Required(path, "port name or number is required"))
	}
	return errs
}

// reference checks the names by which an object of any kind is found; group is nil for the core group.
func reference(path *field.Path, group *string, kind, name string) field.ErrorList {
	var errs field.ErrorList
	if group != nil {
		errs = append(errs, validation.DNSSubdomain(path.Child("apiGroup"), *group)...)
	}
	errs = append(errs, validation.RequiredPathSegment(path.Child("kind"), kind, "")...)
	return append(errs, validation.RequiredPathSegment(path.Child("name"), name, "")...)
}

func validateIngressTLS(path *field.Path, tls *networkingv1.IngressTLS) field.ErrorList {
	var errs field.ErrorList
	for i, host := range tls.Hosts {
		errs = append(errs, ingressHost(path.Child("hosts").Index(i), host)...)
	}
	if tls.SecretName != "" {
		errs = append(errs, validation.DNSSubdomain(path.Child("secretName"), tls.SecretName)...)
	}
	return errs
}

func validateIngressStatus(ingress, old *networkingv1.Ingress) field.ErrorList {
	var errs field.ErrorList
	var known []string // addresses that are there already may stay, as they may stem from a time with laxer rules
	if old != nil {
		for _, point := range old.Status.LoadBalancer.Ingress {
			known = append(known, point.IP)
		}
	}
	for i, point := range ingress.Status.LoadBalancer.Ingress {
		path := field.NewPath("status", "loadBalancer", "ingress").Index(i)
		if point.IP != "" {
			errs = append(errs, utilvalidation.IsValidIPForLegacyField(path.Child("ip"), point.IP, true, known)...)
		}
		if point.Hostname != "" {
			errs = append(errs, validation.DNSSubdomain(path.Child("hostname"), point.Hostname)...)
			errs = append(errs, notAddress(path.Child("hostname"), point.Hostname)...)
		}
	}
	return errs
}
