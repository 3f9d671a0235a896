package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func portNumber(path *field.Path, port int32) field.ErrorList {
	return mistakes(path, port, utilvalidation.IsValidPortNum(int(port)))
}

// portOrName checks a port that may be given by its number or by the name it has in the container.
func portOrName(path *field.Path, port intstr.IntOrString) field.ErrorList {
	if port.Type == intstr.String {
		return mistakes(path, port.StrVal, utilvalidation.IsValidPortName(port.StrVal))
	}
	return mistakes(path, port.IntValue(), utilvalidation.IsValidPortNum(port.IntValue()))
}

func validateProtocol(path *field.Path, protocol corev1.Protocol) field.ErrorList {
	return oneOf(path, protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
}
