package serviceaccount

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

// serviceAccountsController keeps a ServiceAccount named "default" in every active namespace.
type serviceAccountsController struct {
	client     kubernetes.Interface
	namespaces corelisters.NamespaceLister
	accounts   corelisters.ServiceAccountLister
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core := e.Informers.Core().V1()
	c := &serviceAccountsController{
		client: e.Client, namespaces: core.Namespaces().Lister(), accounts: core.ServiceAccounts().Lister()}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Namespaces().Informer(), loop.Self[*corev1.Namespace]),
			loop.On(core.ServiceAccounts().Informer(), loop.NamespaceOf[*corev1.ServiceAccount](defaultServiceAccount)),
		},
		Reconcile: c.reconcile,
	}, nil
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
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) && !loop.NamespaceGone(err) {
		return fmt.Errorf("creating ServiceAccount %s/%s: %w", key, defaultServiceAccount, err)
	}
	return nil
}
