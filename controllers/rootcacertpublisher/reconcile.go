package rootcacertpublisher

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"minik.dev/controllers/loop"
	"minik.dev/journal"
)

// rootCAController publishes the certificate of the cluster's authority to every namespace, and puts it back when someone
// has changed or deleted it.
type rootCAController struct {
	client     kubernetes.Interface
	namespaces corelisters.NamespaceLister
	configMaps corelisters.ConfigMapLister
	ca         []byte
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core := e.Informers.Core().V1()
	c := &rootCAController{
		client: e.Client, namespaces: core.Namespaces().Lister(), configMaps: core.ConfigMaps().Lister(),
		ca: e.Options.ClusterCA,
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Namespaces().Informer(), loop.Self[*corev1.Namespace]),
			loop.On(core.ConfigMaps().Informer(), loop.NamespaceOf[*corev1.ConfigMap](rootCAConfigMap)),
		},
		Reconcile: c.reconcile,
	}, nil
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
		if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) || loop.NamespaceGone(err) {
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
