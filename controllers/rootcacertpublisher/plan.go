package rootcacertpublisher

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/controllers/loop"
)

// The ConfigMap by which every pod learns whom to trust as the API server, in upstream's words.
const (
	rootCAConfigMap   = "kube-root-ca.crt"
	rootCAKey         = "ca.crt"
	rootCADescription = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints " +
		"such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of " +
		"Kubernetes clusters."
)

// rootCAPlan is what is to be done to the ConfigMap of one namespace; both nil means nothing.
type rootCAPlan struct {
	Create *corev1.ConfigMap
	Update *corev1.ConfigMap
	Reason string
}

// planRootCA compares the ConfigMap with the certificate; current is nil where there is none.
func planRootCA(namespace *corev1.Namespace, current *corev1.ConfigMap, ca []byte) rootCAPlan {
	if !loop.NamespaceActive(namespace) {
		return rootCAPlan{Reason: fmt.Sprintf("namespace %s is being deleted", namespace.Name)}
	}
	data := map[string]string{rootCAKey: string(ca)}
	if current == nil {
		return rootCAPlan{
			Create: &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: rootCAConfigMap, Namespace: namespace.Name,
					Annotations: map[string]string{"kubernetes.io/description": rootCADescription}},
				Data: data,
			},
			Reason: fmt.Sprintf("namespace %s has no ConfigMap %s", namespace.Name, rootCAConfigMap),
		}
	}
	if maps.Equal(current.Data, data) && len(current.BinaryData) == 0 {
		return rootCAPlan{Reason: fmt.Sprintf("ConfigMap %s holds the cluster's certificate", rootCAConfigMap)}
	}
	updated := current.DeepCopy()
	updated.Data, updated.BinaryData = data, nil
	return rootCAPlan{Update: updated, Reason: fmt.Sprintf(
		"data of ConfigMap %s differs from the cluster's certificate: has %d keys, %s of %d bytes instead of %d",
		rootCAConfigMap, len(current.Data)+len(current.BinaryData), rootCAKey, len(current.Data[rootCAKey]), len(ca))}
}
