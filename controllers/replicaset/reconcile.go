package replicaset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/loop"
	"minik.dev/journal"
)

// replicaController keeps as many pods as its owners want.
type replicaController struct {
	loop.Env
	Kind
	children loop.Owners[*appsv1.ReplicaSet, *corev1.Pod]
	owners   cache.Indexer
	pods     cache.Indexer
	sets     cache.Indexer // ReplicaSets, to find a pod's relatives of other revisions
	// podWrites are waited for so that no pod is made twice, statusWrites so that no stale status is written and refused.
	podWrites, statusWrites loop.OwnWrites
}

// NewFor makes the controller of a kind whose objects can be reconciled as ReplicaSets.
func NewFor(e loop.Env, kind Kind, owners loop.Watch) loop.Controller {
	pods := e.Informers.Core().V1().Pods().Informer()
	c := &replicaController{
		Env: e, Kind: kind,
		children: loop.Owners[*appsv1.ReplicaSet, *corev1.Pod]{
			Kind: kind.GVK, Child: "pod", List: kind.List, Live: kind.Live,
			Selector: func(rs *appsv1.ReplicaSet) *metav1.LabelSelector { return rs.Spec.Selector },
			Patch: func(ctx context.Context, pod *corev1.Pod, patch []byte) (*corev1.Pod, error) {
				return e.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch,
					metav1.PatchOptions{})
			},
		},
		owners: owners.Informer.GetIndexer(),
		pods:   pods.GetIndexer(),
		sets:   e.Informers.Apps().V1().ReplicaSets().Informer().GetIndexer(),
	}
	return loop.Controller{Watches: []loop.Watch{owners, loop.On(pods, c.ownersOfPod)}, Reconcile: c.reconcile}
}

// ownersOfPod wakes the pod's owners. An update that leaves an owner's counts as they are wakes none.
func (c *replicaController) ownersOfPod(pod, old *corev1.Pod) []string {
	if old != nil && countsAlike(old, pod) {
		return nil
	}
	return c.children.OfChild(pod, old)
}

// reconcile makes pods where there are too few, deletes where there are too many, and reports the count.
func (c *replicaController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	// Asked before the caches are read: what they show now, they still show then.
	behind := !c.podWrites.ShownBy(c.pods, key) || !c.statusWrites.ShownBy(c.owners, key)
	rs, err := c.Get(namespace, name)
	if apierrors.IsNotFound(err) {
		c.podWrites.Forget(key)
		c.statusWrites.Forget(key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", c.GVK.Kind, key, err)
	}
	if behind {
		return loop.ErrBehind
	}
	plan, err := c.plan(rs)
	if err != nil {
		return err
	}
	if err := c.children.Claim(ctx, rs, plan.Claims, &c.podWrites); err != nil {
		return err
	}
	failedIn, failure := c.carryOut(ctx, rs, plan)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failure == nil && (plan.Create > 0 || len(plan.Delete) > 0) && plan.Status.Replicas == rs.Status.Replicas {
		// The pods' events bring the key back. A status that says the generation is observed counts the pods it led to.
		// Pods that were lost or adopted are reported before others replace them: to a Deployment that is progress.
		return nil
	}
	status := withFailure(plan.Status, failedIn, failure, c.Clock.Now())
	if err := c.report(ctx, rs, status); err != nil {
		return errors.Join(failure, err)
	}
	if failure != nil {
		return failure
	}
	return loop.RequeueAfter(plan.Again)
}

// plan gathers what PlanFor needs from the caches.
func (c *replicaController) plan(rs *appsv1.ReplicaSet) (Plan, error) {
	selector, err := metav1.LabelSelectorAsSelector(rs.Spec.Selector)
	if err != nil {
		return Plan{}, fmt.Errorf("reading the selector of %s %s: %w", c.GVK.Kind, loop.KeyOf(rs), err)
	}
	pods, err := loop.OwnedAndOrphans[*corev1.Pod](c.pods, rs.Namespace, rs.UID)
	if err != nil {
		return Plan{}, err
	}
	var related []*corev1.Pod
	if len(pods) > int(*rs.Spec.Replicas) { // only then pods may have to be chosen
		if related, err = c.related(rs); err != nil {
			return Plan{}, err
		}
	}
	return PlanFor(c.GVK.Kind, rs, selector, pods, related, c.Clock.Now()), nil
}

// related are the pods that the ReplicaSets with the same controller as this one select, whoever controls them. A ReplicaSet that
// nobody controls has none, and nor has a ReplicationController: which of their pods share a node does not matter.
func (c *replicaController) related(rs *appsv1.ReplicaSet) ([]*corev1.Pod, error) {
	owner := metav1.GetControllerOfNoCopy(rs)
	if owner == nil {
		return nil, nil
	}
	siblings, err := c.sets.ByIndex(loop.ByController, string(owner.UID))
	if err != nil {
		return nil, fmt.Errorf("finding the ReplicaSets of %s %s: %w", owner.Kind, owner.Name, err)
	}
	seen := map[types.UID]*corev1.Pod{}
	for _, sibling := range siblings {
		selector, err := metav1.LabelSelectorAsSelector(sibling.(*appsv1.ReplicaSet).Spec.Selector)
		if err != nil {
			continue // it selects nothing
		}
		err = cache.ListAllByNamespace(c.pods, rs.Namespace, selector, func(pod any) { seen[pod.(*corev1.Pod).UID] = pod.(*corev1.Pod) })
		if err != nil {
			return nil, fmt.Errorf("finding the pods of %s %s: %w", owner.Kind, owner.Name, err)
		}
	}
	return slices.Collect(maps.Values(seen)), nil
}

// carryOut creates and deletes pods. It returns the reason of condition ReplicaFailure with the first failure.
func (c *replicaController) carryOut(ctx context.Context, rs *appsv1.ReplicaSet, plan Plan) (string, error) {
	switch {
	case plan.Create > 0:
		c.Logger.Debug("creating pods", "owner", loop.KeyOf(rs), "count", plan.Create, "reason", plan.CreateReason)
		return failedCreate, c.create(journal.WithReason(ctx, plan.CreateReason), rs, plan.Create)
	case len(plan.Delete) > 0:
		c.Logger.Debug("deleting pods", "owner", loop.KeyOf(rs), "count", len(plan.Delete), "reason", plan.Delete[0].Reason)
		return failedDelete, c.delete(ctx, rs, plan.Delete)
	}
	return "", nil
}

func (c *replicaController) create(ctx context.Context, rs *appsv1.ReplicaSet, n int) error {
	owner := *metav1.NewControllerRef(rs, c.GVK)
	err := loop.SlowStart(ctx, n, func(int) error {
		pod, err := c.Client.CoreV1().Pods(rs.Namespace).Create(ctx, NewPod(rs, owner), metav1.CreateOptions{})
		if err != nil {
			if ctx.Err() == nil && !loop.NamespaceGone(err) {
				c.Events.Warning(c.About(rs), failedCreate, "Error creating: %v", err)
			}
			return err
		}
		c.podWrites.Wrote(loop.KeyOf(rs), pod)
		c.Events.Normal(c.About(rs), "SuccessfulCreate", "Created pod: %s", pod.Name)
		return nil
	})
	// A namespace that is going away takes no new pods, and needs none.
	if loop.NamespaceGone(err) {
		return nil
	}
	return err
}

func (c *replicaController) delete(ctx context.Context, rs *appsv1.ReplicaSet, deletions []Deletion) error {
	return loop.SlowStart(ctx, len(deletions), func(i int) error {
		pod := deletions[i].Pod
		// The UID keeps a pod of the same name that was made since from being meant.
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
		ctx := journal.WithReason(ctx, deletions[i].Reason)
		err := c.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			if ctx.Err() == nil {
				c.Events.Warning(c.About(rs), failedDelete, "Error deleting: %v", err)
			}
			return err
		}
		c.podWrites.Deleted(loop.KeyOf(rs), pod)
		if err == nil {
			c.Events.Normal(c.About(rs), "SuccessfulDelete", "Deleted pod: %s", pod.Name)
		}
		return nil
	})
}

// report writes the status where it differs.
func (c *replicaController) report(ctx context.Context, rs *appsv1.ReplicaSet, status appsv1.ReplicaSetStatus) error {
	if !c.CountsTerminating {
		status.TerminatingReplicas = nil
	}
	reason := describeReplicaSetStatus(c.GVK.Kind, rs.Name, rs.Status, status)
	if reason == "" {
		return nil
	}
	rs = rs.DeepCopy()
	rs.Status = status
	updated, err := c.UpdateStatus(journal.WithReason(ctx, reason), rs)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("updating the status of %s %s: %w", c.GVK.Kind, loop.KeyOf(rs), err)
	}
	c.statusWrites.Wrote(loop.KeyOf(rs), updated)
	return nil
}
