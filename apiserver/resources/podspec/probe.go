package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// validateHooks checks the probes and the lifecycle hooks of a container that goes on running.
func validateHooks(path *field.Path, c *corev1.Container, pod podScope) field.ErrorList {
	var errs field.ErrorList
	if c.Lifecycle != nil {
		at := path.Child("lifecycle")
		if h := c.Lifecycle.PostStart; h != nil {
			errs = append(errs, validateHandler(at.Child("postStart"), lifecycleHandler(h), pod.grace)...)
		}
		if h := c.Lifecycle.PreStop; h != nil {
			errs = append(errs, validateHandler(at.Child("preStop"), lifecycleHandler(h), pod.grace)...)
		}
	}
	errs = append(errs, validateProbe(path.Child("livenessProbe"), c.LivenessProbe)...)
	errs = append(errs, validateProbe(path.Child("readinessProbe"), c.ReadinessProbe)...)
	errs = append(errs, validateProbe(path.Child("startupProbe"), c.StartupProbe)...)
	if p := c.ReadinessProbe; p != nil && p.TerminationGracePeriodSeconds != nil {
		errs = append(errs, field.Invalid(path.Child("readinessProbe", "terminationGracePeriodSeconds"),
			p.TerminationGracePeriodSeconds, "must not be set for readinessProbes"))
	}
	// One success is enough to know that a container lives or has started.
	if p := c.LivenessProbe; p != nil && p.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(path.Child("livenessProbe", "successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	if p := c.StartupProbe; p != nil && p.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(path.Child("startupProbe", "successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	return errs
}

func validateProbe(path *field.Path, p *corev1.Probe) field.ErrorList {
	if p == nil {
		return nil
	}
	errs := validateHandler(path, handler{p.Exec, p.HTTPGet, p.TCPSocket, p.GRPC, nil}, nil)
	errs = append(errs, validation.NotNegative(path.Child("initialDelaySeconds"), p.InitialDelaySeconds)...)
	errs = append(errs, validation.NotNegative(path.Child("timeoutSeconds"), p.TimeoutSeconds)...)
	errs = append(errs, validation.NotNegative(path.Child("periodSeconds"), p.PeriodSeconds)...)
	errs = append(errs, validation.NotNegative(path.Child("successThreshold"), p.SuccessThreshold)...)
	errs = append(errs, validation.NotNegative(path.Child("failureThreshold"), p.FailureThreshold)...)
	if grace := p.TerminationGracePeriodSeconds; grace != nil && *grace <= 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *grace, "must be greater than 0"))
	}
	return errs
}

// handler is what a probe and a lifecycle hook have in common: one way to ask a container something.
type handler struct {
	exec  *corev1.ExecAction
	http  *corev1.HTTPGetAction
	tcp   *corev1.TCPSocketAction
	grpc  *corev1.GRPCAction
	sleep *corev1.SleepAction
}

func lifecycleHandler(h *corev1.LifecycleHandler) handler {
	return handler{h.Exec, h.HTTPGet, h.TCPSocket, nil, h.Sleep}
}

// validateHandler asks for exactly one way. Of several, the first is checked and the others are refused.
func validateHandler(path *field.Path, h handler, grace *int64) field.ErrorList {
	ways := []struct {
		name  string
		set   bool
		check func(*field.Path) field.ErrorList
	}{
		{"exec", h.exec != nil, func(p *field.Path) field.ErrorList {
			if len(h.exec.Command) == 0 {
				return field.ErrorList{field.Required(p.Child("command"), "")}
			}
			return nil
		}},
		{"httpGet", h.http != nil, func(p *field.Path) field.ErrorList { return validateHTTPGet(p, h.http) }},
		{"tcpSocket", h.tcp != nil, func(p *field.Path) field.ErrorList { return validation.PortOrName(p.Child("port"), h.tcp.Port) }},
		{"grpc", h.grpc != nil, func(p *field.Path) field.ErrorList { return validation.PortNumber(p.Child("port"), h.grpc.Port) }},
		{"sleep", h.sleep != nil, func(p *field.Path) field.ErrorList {
			if grace != nil && (h.sleep.Seconds < 0 || h.sleep.Seconds > *grace) {
				return field.ErrorList{field.Invalid(p, h.sleep.Seconds, fmt.Sprintf(
					"must be non-negative and less than terminationGracePeriodSeconds (%d)", *grace))}
			}
			return nil
		}},
	}
	var errs field.ErrorList
	found := false
	for _, way := range ways {
		switch {
		case !way.set:
		case found:
			errs = append(errs, field.Forbidden(path.Child(way.name), "may not specify more than 1 handler type"))
		default:
			found = true
			errs = append(errs, way.check(path.Child(way.name))...)
		}
	}
	if !found {
		errs = append(errs, field.Required(path, "must specify a handler type"))
	}
	return errs
}

func validateHTTPGet(path *field.Path, get *corev1.HTTPGetAction) field.ErrorList {
	var errs field.ErrorList
	if get.Path == "" {
		errs = append(errs, field.Required(path.Child("path"), ""))
	}
	errs = append(errs, validation.PortOrName(path.Child("port"), get.Port)...)
	errs = append(errs, validation.OneOf(path.Child("scheme"), get.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)...)
	for _, header := range get.HTTPHeaders {
		errs = append(errs, validation.Invalid(path.Child("httpHeaders"), header.Name, utilvalidation.IsHTTPHeaderName(header.Name))...)
	}
	return errs
}
