package serviceaccount

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/controllers/loop"
)

// defaultServiceAccount is the account of pods that name none.
const defaultServiceAccount = "default"

// planServiceAccount is the reason for which the namespace is to get its default ServiceAccount; empty means it is not.
func planServiceAccount(namespace *corev1.Namespace, has bool) string {
	if has || !loop.NamespaceActive(namespace) {
		return ""
	}
	return fmt.Sprintf("namespace %s is %s and has no ServiceAccount %q",
		namespace.Name, corev1.NamespaceActive, defaultServiceAccount)
}
