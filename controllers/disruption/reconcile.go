package disruption

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"minik.dev/controllers/loop"
	"minik.dev/events"
	"minik.dev/journal"
)

// disruptionController keeps the status of PodDisruptionBudgets, which evictions are judged by (the API server's
// eviction.go).
type disruptionController struct {
	client       kubernetes.Interface
	budgets      policylisters.PodDisruptionBudgetLister
	pods         corelisters.PodLister
	controllers  corelisters.ReplicationControllerLister
	replicaSets  appslisters.ReplicaSetLister
	deployments  appslisters.DeploymentLister
	statefulSets appslisters.StatefulSetLister
	events       *events.Writer
	clock        clock.PassiveClock
	// writes are waited for, so that no status is made of one that is old.
	writes loop.OwnWrites
	store  cache.Store
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	core, apps, policy := e.Informers.Core().V1(), e.Informers.Apps().V1(), e.Informers.Policy().V1()
	c := &disruptionController{
		client: e.Client, events: e.Events, clock: e.Clock,
		budgets: policy.PodDisruptionBudgets().Lister(), pods: core.Pods().Lister(),
		controllers: core.ReplicationControllers().Lister(), replicaSets: apps.ReplicaSets().Lister(),
		deployments: apps.Deployments().Lister(), statefulSets: apps.StatefulSets().Lister(),
		store: policy.PodDisruptionBudgets().Informer().GetStore(),
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(policy.PodDisruptionBudgets().Informer(), loop.Self[*policyv1.PodDisruptionBudget]),
			loop.On(core.Pods().Informer(), c.budgetsOfPod),
		},
		Reconcile: c.reconcile,
	}, nil
}

// budgetsOfPod wakes the budgets that select the pod, or did before the event.
func (c *disruptionController) budgetsOfPod(pod, old *corev1.Pod) []string {
	budgets, err := c.budgets.PodDisruptionBudgets(pod.Namespace).List(labels.Everything())
	if err != nil {
		return nil
	}
	var keys []string
	for _, pdb := range budgets {
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil {
			continue
		}
		if selector.Matches(labels.Set(pod.Labels)) || old != nil && selector.Matches(labels.Set(old.Labels)) {
			keys = append(keys, loop.KeyOf(pdb))
		}
	}
	return keys
}

func (c *disruptionController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	behind := !c.writes.ShownBy(c.store, key)
	pdb, err := c.budgets.PodDisruptionBudgets(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.writes.Forget(key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting PodDisruptionBudget %s: %w", key, err)
	}
	if behind {
		return loop.ErrBehind
	}
	selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
	if err != nil {
		return fmt.Errorf("reading the selector of PodDisruptionBudget %s: %w", key, err)
	}
	pods, err := c.pods.Pods(namespace).List(selector)
	if err != nil {
		return fmt.Errorf("listing the pods of PodDisruptionBudget %s: %w", key, err)
	}
	plan := planDisruption(pdb, pods, c.wanted(namespace, pods), c.clock.Now())
	if plan.Reason == "" {
		return loop.RequeueAfter(plan.Again)
	}
	for _, e := range plan.Events {
		c.events.Record(pdb, e)
	}
	next := pdb.DeepCopy()
	next.Status = plan.Status
	written, err := c.client.PolicyV1().PodDisruptionBudgets(namespace).UpdateStatus(journal.WithReason(ctx, plan.Reason),
		next, metav1.UpdateOptions{})
	switch {
	case apierrors.IsConflict(err):
		return loop.ErrBehind // an eviction was faster
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("updating the status of PodDisruptionBudget %s: %w", key, err)
	}
	c.writes.Wrote(key, written)
	return loop.RequeueAfter(plan.Again)
}

// wanted asks the pods' controllers how many pods they want, by the controllers' UIDs.
func (c *disruptionController) wanted(namespace string, pods []*corev1.Pod) map[types.UID]wantedPods {
	out := map[types.UID]wantedPods{}
	for _, pod := range pods {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil {
			continue
		}
		if _, asked := out[owner.UID]; asked {
			continue
		}
		if w, ok := c.wantedBy(namespace, owner); ok {
			out[owner.UID] = w
		}
	}
	return out
}

// wantedBy is what one controller wants; false where it is not there any more.
func (c *disruptionController) wantedBy(namespace string, owner *metav1.OwnerReference) (wantedPods, bool) {
	gvk := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)
	switch gvk.GroupKind() {
	case schema.GroupKind{Kind: "ReplicationController"}:
		rc, err := c.controllers.ReplicationControllers(namespace).Get(owner.Name)
		if err != nil || rc.UID != owner.UID {
			return wantedPods{}, false
		}
		return wantedPods{controller: rc.UID, replicas: ptr.Deref(rc.Spec.Replicas, 1)}, true
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		set, err := c.statefulSets.StatefulSets(namespace).Get(owner.Name)
		if err != nil || set.UID != owner.UID {
			return wantedPods{}, false
		}
		return wantedPods{controller: set.UID, replicas: ptr.Deref(set.Spec.Replicas, 1)}, true
	case schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		rs, err := c.replicaSets.ReplicaSets(namespace).Get(owner.Name)
		if err != nil || rs.UID != owner.UID {
			return wantedPods{}, false
		}
		above := metav1.GetControllerOfNoCopy(rs)
		if above == nil || above.Kind != "Deployment" {
			return wantedPods{controller: rs.UID, replicas: ptr.Deref(rs.Spec.Replicas, 1)}, true
		}
		d, err := c.deployments.Deployments(namespace).Get(above.Name)
		if err != nil || d.UID != above.UID {
			return wantedPods{}, false
		}
		return wantedPods{controller: d.UID, replicas: ptr.Deref(d.Spec.Replicas, 1)}, true
	}
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	return wantedPods{err: fmt.Errorf("%s does not implement the scale subresource", resource.GroupResource())}, true
}
