package controllers

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"minik.dev/journal"
)

// The ConfigMap by which every pod learns whom to trust as the API server, in upstream's words.
const (
	rootCAConfigMap   = "kube-root-ca.crt"
	rootCAKey         = "ca.crt"
	rootCADescription = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints " +
		"such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of " +
		"Kubernetes clusters."
)

// rootCAController publishes the certificate of the cluster's authority to every namespace, and puts it back when someone
// has changed or deleted it.
type rootCAController struct {
	client     kubernetes.Interface
	namespaces corelisters.NamespaceLister
	configMaps corelisters.ConfigMapLister
	ca         []byte
}

func newRootCAController(e env) (controller, error) {
	core := e.informers.Core().V1()
	c := &rootCAController{
		client: e.client, namespaces: core.Namespaces().Lister(), configMaps: core.ConfigMaps().Lister(),
		ca: e.options.ClusterCA,
	}
	return controller{
		watches: []watch{
			on(core.Namespaces().Informer(), self[*corev1.Namespace]),
			on(core.ConfigMaps().Informer(), namespaceOf[*corev1.ConfigMap](rootCAConfigMap)),
		},
		reconcile: c.reconcile,
	}, nil
}

// rootCAPlan is what is to be done to the ConfigMap of one namespace; both nil means nothing.
type rootCAPlan struct {
	Create *corev1.ConfigMap
	Update *corev1.ConfigMap
	Reason string
}

// planRootCA compares the ConfigMap with the certificate; current is nil where there is none.
func planRootCA(namespace *corev1.Namespace, current *corev1.ConfigMap, ca []byte) rootCAPlan {
	if !isActive(namespace) {
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

func (c *rootCAController) reconcile(ctx context.Context, key string) error {
	namespace, err := c.namespaces.Get(key)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting namespace %s: %w", key, err)
	}
	current, err := c.configMaps.ConfigMaps(key).Get(rootCAConfigMap)
	if apierrors.IsNotFound(err) {
		current = nil
	} else if err != nil {
		return fmt.Errorf("getting ConfigMap %s/%s: %w", key, rootCAConfigMap, err)
	}
	plan := planRootCA(namespace, current, c.ca)
	ctx = journal.WithReason(ctx, plan.Reason)
	client := c.client.CoreV1().ConfigMaps(key)
	switch {
	case plan.Create != nil:
		_, err = client.Create(ctx, plan.Create, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || goneNamespace(err) {
			return nil
		}
	case plan.Update != nil:
		_, err = client.Update(ctx, plan.Update, metav1.UpdateOptions{})
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", key, rootCAConfigMap, err)
	}
	return nil
}
