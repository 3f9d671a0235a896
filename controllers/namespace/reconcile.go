package namespace

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"

	"minik.dev/controllers/deletable"
	"minik.dev/controllers/loop"
	"minik.dev/journal"
)

// namespaceController empties a namespace that is being deleted, and then lets it go.
type namespaceController struct {
	client     kubernetes.Interface
	discovery  discovery.DiscoveryInterface
	metadata   metadata.Interface
	namespaces corelisters.NamespaceLister
	clock      clock.PassiveClock
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	meta, err := metadata.NewForConfig(e.Config)
	if err != nil {
		return loop.Controller{}, fmt.Errorf("making a client for metadata: %w", err)
	}
	return newNamespaceControllerFor(e, meta), nil
}

func newNamespaceControllerFor(e loop.Env, meta metadata.Interface) loop.Controller {
	core := e.Informers.Core().V1()
	c := &namespaceController{client: e.Client, discovery: e.Client.Discovery(), metadata: meta,
		namespaces: core.Namespaces().Lister(), clock: e.Clock}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(core.Namespaces().Informer(), terminating),
			loop.On(core.Pods().Informer(), c.endingPod),
		},
		Reconcile: c.reconcile,
	}
}

func terminating(namespace, _ *corev1.Namespace) []string {
	if !isTerminating(namespace) {
		return nil
	}
	return []string{namespace.Name}
}

// endingPod wakes the namespace that may have waited for a pod that has come or gone.
func (c *namespaceController) endingPod(pod, old *corev1.Pod) []string {
	if old != nil {
		return nil
	}
	namespace, err := c.namespaces.Get(pod.Namespace)
	if err != nil {
		return nil
	}
	return terminating(namespace, nil)
}

func (c *namespaceController) reconcile(ctx context.Context, key string) error {
	namespace, err := c.namespaces.Get(key)
	if apierrors.IsNotFound(err) || (err == nil && !isTerminating(namespace)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting namespace %s: %w", key, err)
	}
	if updated := planTerminating(namespace); updated != nil {
		reason := fmt.Sprintf("namespace %s has a deletionTimestamp, its phase is %q", key, namespace.Status.Phase)
		namespace, err = c.client.CoreV1().Namespaces().UpdateStatus(
			journal.WithReason(ctx, reason), updated, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("marking namespace %s as terminating: %w", key, err)
		}
	}
	kinds, discovered := deletable.Discover(ctx, c.discovery)
	ctx = journal.WithReason(ctx, fmt.Sprintf("namespace %s is being deleted", key))
	contents := c.empty(ctx, key, kinds)
	if ctx.Err() != nil {
		return nil
	}
	return c.carryOut(ctx, namespace, planNamespace(namespace, contents, discovered, c.clock.Now()))
}

// empty asks everything in the namespace to go and returns what remains: while pods do, only of them.
func (c *namespaceController) empty(ctx context.Context, namespace string, kinds deletable.Kinds) []namespaceContent {
	pods := schema.GroupResource{Resource: "pods"}
	var first []namespaceContent
	for _, kind := range kinds.Resources {
		if kind.Resource.GroupResource() == pods {
			first = append(first, c.emptyOf(ctx, namespace, kind))
		}
	}
	if len(first) > 0 && (first[0].Remaining > 0 || first[0].Err != nil) {
		return first
	}
	var mu sync.Mutex
	var contents []namespaceContent
	var group sync.WaitGroup
	for _, kind := range kinds.Resources {
		if !kind.Namespaced || kind.Resource.GroupResource() == pods {
			continue
		}
		group.Go(func() {
			content := c.emptyOf(ctx, namespace, kind)
			mu.Lock()
			defer mu.Unlock()
			contents = append(contents, content)
		})
	}
	group.Wait()
	return contents
}

// emptyOf asks all objects of one kind to go. Those that are on their way already are left to end.
func (c *namespaceController) emptyOf(ctx context.Context, namespace string, kind deletable.Kind) namespaceContent {
	content := namespaceContent{Resource: kind.Resource}
	client := c.metadata.Resource(kind.Resource).Namespace(namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	if err == nil && anyAlive(list.Items) {
		if err = c.delete(ctx, client, kind, list.Items); err == nil {
			list, err = client.List(ctx, metav1.ListOptions{})
		}
	}
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return content // The kind is gone since discovery, or cannot be listed: then nobody can tell of its objects.
	}
	if err != nil {
		content.Err = fmt.Errorf("%s: %w", kind.Resource.GroupResource(), err)
		return content
	}
	content.Remaining = len(list.Items)
	for i := range list.Items {
		for _, finalizer := range list.Items[i].Finalizers {
			if content.Finalizers == nil {
				content.Finalizers = map[string]int{}
			}
			content.Finalizers[finalizer]++
		}
	}
	return content
}

func anyAlive(items []metav1.PartialObjectMetadata) bool {
	for i := range items {
		if items[i].DeletionTimestamp == nil {
			return true
		}
	}
	return false
}

func (c *namespaceController) delete(ctx context.Context, client metadata.ResourceInterface, kind deletable.Kind,
	items []metav1.PartialObjectMetadata) error {
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if kind.Can("deletecollection") {
		return client.DeleteCollection(ctx, options, metav1.ListOptions{})
	}
	group := errgroup.Group{}
	group.SetLimit(loop.ParallelWrites)
	for i := range items {
		group.Go(func() error {
			if err := client.Delete(ctx, items[i].Name, options); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("deleting %s: %w", items[i].Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *namespaceController) carryOut(ctx context.Context, namespace *corev1.Namespace, plan namespacePlan) error {
	ctx = journal.WithReason(ctx, plan.Reason)
	client := c.client.CoreV1().Namespaces()
	if plan.Status != nil {
		written, err := client.UpdateStatus(ctx, plan.Status, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("writing the conditions of namespace %s: %w", namespace.Name, err)
		}
		if plan.Finalize != nil {
			plan.Finalize.ResourceVersion = written.ResourceVersion
		}
	}
	if plan.Finalize == nil {
		return loop.RequeueAfter(plan.After)
	}
	if _, err := client.Finalize(ctx, plan.Finalize, metav1.UpdateOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("finalizing namespace %s: %w", namespace.Name, err)
	}
	return nil
}
