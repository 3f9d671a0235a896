package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"minik.dev/journal"
)

// defaultServiceAccount is the account of pods that name none.
const defaultServiceAccount = "default"

// serviceAccountsController keeps a ServiceAccount named "default" in every active namespace.
type serviceAccountsController struct {
	client     kubernetes.Interface
	namespaces corelisters.NamespaceLister
	accounts   corelisters.ServiceAccountLister
}

func newServiceAccountsController(e env) (controller, error) {
	core := e.informers.Core().V1()
	c := &serviceAccountsController{
		client: e.client, namespaces: core.Namespaces().Lister(), accounts: core.ServiceAccounts().Lister()}
	return controller{
		watches: []watch{
			on(core.Namespaces().Informer(), self[*corev1.Namespace]),
			on(core.ServiceAccounts().Informer(), namespaceOf[*corev1.ServiceAccount](defaultServiceAccount)),
		},
		reconcile: c.reconcile,
	}, nil
}

// namespaceOf wakes the namespace of the one object in it that matters, by name.
func namespaceOf[T metav1.Object](name string) func(obj, old T) []string {
	return func(obj, _ T) []string {
		if obj.GetName() != name {
			return nil
		}
		return []string{obj.GetNamespace()}
	}
}

// planServiceAccount is the reason for which the namespace is to get its default ServiceAccount; empty means it is not.
func planServiceAccount(namespace *corev1.Namespace, has bool) string {
	if has || !isActive(namespace) {
		return ""
	}
	return fmt.Sprintf("namespace %s is %s and has no ServiceAccount %q",
		namespace.Name, corev1.NamespaceActive, defaultServiceAccount)
}

// isActive: nothing is added to a namespace that is being deleted.
func isActive(namespace *corev1.Namespace) bool {
	return namespace.DeletionTimestamp == nil && namespace.Status.Phase != corev1.NamespaceTerminating
}

func (c *serviceAccountsController) reconcile(ctx context.Context, key string) error {
	namespace, err := c.namespaces.Get(key)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting namespace %s: %w", key, err)
	}
	_, err = c.accounts.ServiceAccounts(key).Get(defaultServiceAccount)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("getting ServiceAccount %s/%s: %w", key, defaultServiceAccount, err)
	}
	reason := planServiceAccount(namespace, err == nil)
	if reason == "" {
		return nil
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: defaultServiceAccount, Namespace: key}}
	_, err = c.client.CoreV1().ServiceAccounts(key).Create(journal.WithReason(ctx, reason), account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) && !goneNamespace(err) {
		return fmt.Errorf("creating ServiceAccount %s/%s: %w", key, defaultServiceAccount, err)
	}
	return nil
}
