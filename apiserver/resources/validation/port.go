package validation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// PortNumber takes 1 to 65535.
func PortNumber(path *field.Path, port int32) field.ErrorList {
	return Invalid(path, port, utilvalidation.IsValidPortNum(int(port)))
}

// PortOrName checks a port that may be given by its number or by the name it has in the container.
func PortOrName(path *field.Path, port intstr.IntOrString) field.ErrorList {
	if port.Type == intstr.String {
		return Invalid(path, port.StrVal, utilvalidation.IsValidPortName(port.StrVal))
	}
	return Invalid(path, port.IntValue(), utilvalidation.IsValidPortNum(port.IntValue()))
}

// Protocol takes the three that ports can have.
func Protocol(path *field.Path, protocol corev1.Protocol) field.ErrorList {
	return OneOf(path, protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
}
